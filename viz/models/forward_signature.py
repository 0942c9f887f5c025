"""What a module's forward takes, by its own signature."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn
from transformers.utils import TransformersKwargs


def forward_parameters(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    """Return what a forward takes, by name and in order."""
    return inspect.signature(module.forward).parameters


def handed_on(module: nn.Module) -> set[str]:
    """Name what any part's forward takes, and so may be handed on to it by whatever name it came under."""
    names = set(TransformersKwargs.__annotations__)
    for part in module.modules():
        names |= set(forward_parameters(part))
    return names


def takes_any_name(module: nn.Module) -> bool:
    """Whether a forward takes inputs of whatever name, and may hand them on."""
    return any(one.kind is one.VAR_KEYWORD for one in forward_parameters(module).values())
