"""Look numbers up in a nested configuration, and the noise that inputs are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def find(config: Any, name: str) -> Any:
    """Look for an attribute in a configuration and in those that it holds."""
    value = getattr(config, name, None)
    if value:
        return value
    for part in getattr(type(config), "sub_configs", {}):
        nested = getattr(config, part, None)
        if nested is not None and (found := find(nested, name)):
            return found
    return None


def first(config: Any, names: Iterable[str], default: Any) -> Any:
    """Return the first of some attributes that a configuration has, single numbers only."""
    for name in names:
        value = find(config, name)
        if isinstance(value, (list, tuple)) and value and isinstance(value[-1], int):
            value = value[-1]
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return default


def noise(*shape: int) -> Tensor:
    """Make the same noise every time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))
