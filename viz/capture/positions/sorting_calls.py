"""Functions that choose or order by numbers: top-k of patches, tokens sorted by a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor

from viz.capture.positions.position_code_records import MOST_TOKENS, Source
from viz.capture.positions.sorting_functions import BY_DIMENSION, BY_NUMBER


def chooses(
    func: Callable[..., Any],
    args: Sequence[Any],
    named: Mapping[str, Any],
    sources: Sequence[Source],
) -> bool:
    """Whether a call orders as many numbers as a grid has cells, but for some tokens beside them."""
    if func not in BY_DIMENSION and func not in BY_NUMBER:
        return False
    given = args[0] if args else None
    if not isinstance(given, Tensor) or not given.is_floating_point() or not given.ndim:
        return False
    at = 2 if func in BY_NUMBER else 1
    dim = named.get("dim", args[at] if len(args) > at else -1)
    count = given.shape[dim] if isinstance(dim, int) else given.numel()
    cells = {prod(source.size[1:]) for source in sources}
    return any(0 <= count - one <= MOST_TOKENS for one in cells if one > 1)
