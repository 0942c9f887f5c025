"""Whether a softmax that a part wrote out by hand is its whole pattern, with each key where it belongs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from viz.capture.replay.replay import by_item
from viz.capture.tiers.softmax_calls import Multiplied


def covers(
    one: Multiplied, projected: Sequence[Tensor], output: Any, heads: int, batch: int
) -> bool:
    """Whether weights have a row for every query of their part, and a column for every key.

    Local attention multiplies blocks of keys, padded and repeated. While a text is short, one of them may
    look like the whole.

    Args:
        one: the weights [.., query, key] and the values that they were multiplied with.
        projected: what the part's value projections returned in this run, call by call.
        output: of the part; its first tensor has a row a query.
        heads: of the part.
        batch: how many inputs it was given.
    """
    first = output[0] if isinstance(output, (tuple, list)) else output
    if len(projected) != 1 or not isinstance(first, Tensor):
        return False
    rows = by_item(projected[0], batch).shape[1]
    queries, keys = one.weights.shape[-2:]
    windows = _windows(rows, keys)
    return (
        rows == windows * keys
        and first.numel() // max(1, first.shape[-1]) == batch * windows * queries
        and one.weights.numel() == batch * windows * heads * queries * keys
    )


def is_whole(
    one: Multiplied, projected: Sequence[Tensor], output: Any, heads: int, batch: int
) -> bool:
    """Whether weights multiplied all values that their part projected, in their order; see `covers`."""
    if one.values is None or not covers(one, projected, output, heads, batch):
        return False
    own = by_item(projected[0], batch)  # [batch, key, head * d]
    keys = one.weights.shape[-1]
    pieces = own.reshape(batch * _windows(own.shape[1], keys), -1, own.shape[-1])
    return any(_are_rows(candidate, pieces) for candidate in _by_key(one.values, keys))


def _windows(rows: int, keys: int) -> int:
    """Say how many windows make up a whole, where each has keys of its own."""
    return rows // max(1, keys)


def _by_key(values: Tensor, keys: int) -> Iterator[Tensor]:
    """Bring values to [.., key, d], in every way in which they may stand."""
    if values.ndim >= 3 and values.shape[-2] == keys:
        yield values
    if values.ndim >= 3 and values.shape[-1] == keys:
        yield values.mT
    if values.ndim == 4 and values.shape[1] == keys:
        yield values.transpose(1, 2)


def _are_rows(values: Tensor, projected: Tensor) -> bool:
    """Whether values [.., key, d] are projected ones [batch, key, head * d], head by head."""
    batch, keys, width = projected.shape
    d = values.shape[-1]
    flat = values.reshape(-1, keys, d)
    if width % d or len(flat) % batch or (len(flat) // batch) % (width // d):
        return False
    by_head = projected.view(batch, keys, width // d, d).transpose(1, 2)
    repeated = by_head.repeat_interleave(len(flat) // batch // (width // d), dim=1)
    return torch.equal(flat, repeated.reshape(-1, keys, d))
