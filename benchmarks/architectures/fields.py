"""What inputs are made of: numbers from a nested configuration, words and noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

Inputs = dict[str, Any]
Maker = Callable[[Any], Inputs]

# How many tokens the inputs that are being made have; all else follows from it.
_tokens: ContextVar[int] = ContextVar("tokens", default=24)


# How wide a picture is where the configuration does not say, in pixels.
_side: ContextVar[int] = ContextVar("side", default=32)


@contextmanager
def sized(tokens: int, *, side: int) -> Iterator[None]:
    """Make inputs of so many tokens, or of pictures and sounds that stand for as many.

    Args:
        tokens: of a text.
        side: of a picture in pixels, where a configuration does not say.
    """
    before = _tokens.set(tokens), _side.set(side)
    try:
        yield
    finally:
        _tokens.reset(before[0])
        _side.reset(before[1])


def usual_side() -> int:
    """Return how wide a picture is of which nothing is said, in pixels."""
    return _side.get()


def token_count() -> int:
    """Return how many tokens a text has."""
    return _tokens.get()


def target_count() -> int:
    """Return how many tokens are written to a text: other than it has, 7 to 24."""
    return max(1, _tokens.get() * 7 // 24)


def grid_side() -> int:
    """Return how many patches wide a picture is: what merges 2 x 2 of them still leaves four."""
    return 2 * max(2, round(math.sqrt(_tokens.get()) / 2))


def patch_count() -> int:
    """Return how many patches a picture has, 16 beside 24 tokens."""
    return grid_side() ** 2


def step_count() -> int:
    """Return how many steps something has that is neither words nor seen, 8 beside 24 tokens."""
    return _tokens.get() // 3


def code_count() -> int:
    """Return how many codes a sound has, 12 beside 24 tokens."""
    return _tokens.get() // 2


def in_proportion(count: int) -> int:
    """Return as many more or fewer as there are tokens, of a count beside 24."""
    return count * _tokens.get() // 24


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


def words(count: int | None = None, *, rows: int = 1) -> Tensor:
    """Make token ids, none of which is special."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(20, 60, (rows, count or token_count()), generator=generator)


def text(count: int | None = None) -> Inputs:
    """Make a text with its mask."""
    ids = words(count)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def text_after(token: int, count: int) -> Inputs:
    """Make a text that begins with tokens in whose place something else will come."""
    ids = torch.cat([torch.full((1, count), token), words()], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def side_of(config: Any) -> int:
    """Return the side of the pictures that a vision tower takes, in pixels."""
    return int(first(config, ("image_size",), usual_side()))
