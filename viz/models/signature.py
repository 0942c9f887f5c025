"""What a module's forward takes, by its own signature."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn


def forward_parameters(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    """Return what a forward takes, by name and in order."""
    return inspect.signature(module.forward).parameters


def takes_any_name(module: nn.Module) -> bool:
    """Whether a forward takes inputs of whatever name, and may hand them on."""
    return any(one.kind is one.VAR_KEYWORD for one in forward_parameters(module).values())
