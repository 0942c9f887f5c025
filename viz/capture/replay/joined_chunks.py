"""Weights of one sequence that a part was given chunk by chunk, put where the chunks were cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the rows of a tensor were cut out of a longer one.

    Attributes:
        whole: where the longer one's numbers lie.
        start: which of its rows is the first.
        rows: how many of them it has.
        total: how many the longer one has.
    """

    whole: int
    start: int
    rows: int
    total: int

    @classmethod
    def of(cls, tensor: Tensor) -> Cut | None:
        """Read a view [1, row, channel] of a longer tensor of its kind; None for any other shape."""
        if tensor.ndim != 3 or len(tensor) != 1 or tensor.stride(2) != 1:
            return None
        storage, step = tensor.untyped_storage(), tensor.stride(1)
        if step != tensor.shape[2] or tensor.storage_offset() % step:
            return None
        total = storage.nbytes() // tensor.element_size() // step
        return cls(storage.data_ptr(), tensor.storage_offset() // step, tensor.shape[1], total)


def put_together(
    pieces: Sequence[Tensor], cuts: Sequence[tuple[Cut | None, Cut | None]]
) -> Tensor | None:
    """Lay weights of chunks out as the pattern of the whole.

    Args:
        pieces: weights of each run of a part, [1, head, query, key].
        cuts: of what its queries and its keys were made of.

    Returns:
        Shape [1, head, query, key]; None where the runs are no chunks of one sequence, each row once.
    """
    if len(pieces) < 2 or len(pieces) != len(cuts):
        return None
    known = [(rows, keys) for rows, keys in cuts if rows is not None and keys is not None]
    if len(known) < len(cuts) or len({(rows.whole, keys.whole) for rows, keys in known}) > 1:
        return None
    queries, keys = known[0][0].total, known[0][1].total
    whole = pieces[0].new_zeros(1, pieces[0].shape[1], queries, keys)
    covered = torch.zeros(queries, dtype=torch.long)
    for piece, (row, column) in zip(pieces, known, strict=True):
        if piece.shape[0] != 1 or tuple(piece.shape[2:]) != (row.rows, column.rows):
            return None
        down = slice(row.start, row.start + row.rows)
        across = slice(column.start, column.start + column.rows)
        whole[:, :, down, across] = piece
        covered[down] += 1
    return whole if bool((covered == 1).all()) else None
