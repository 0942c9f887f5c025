"""What inputs are made of: numbers from a nested configuration, words and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Inputs = dict[str, Any]
Maker = Callable[[Any], Inputs]

TOKENS = 24

# How much there is of what is not words: patches of a picture, steps, codes of a sound.
PATCHES = 16
STEPS = 8
CODES = 12


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


def words(count: int = TOKENS, *, rows: int = 1) -> Tensor:
    """Make token ids, none of which is special."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(20, 60, (rows, count), generator=generator)


def text(count: int = TOKENS) -> Inputs:
    """Make a text with its mask."""
    ids = words(count)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def text_after(token: int, count: int) -> Inputs:
    """Make a text that begins with tokens in whose place something else will come."""
    ids = torch.cat([torch.full((1, count), token), words()], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def side_of(config: Any) -> int:
    """Return the side of the pictures that a vision tower takes, in pixels."""
    return int(first(config, ("image_size",), 32))
