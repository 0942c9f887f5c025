"""Weights of a layer in which a query may look at few keys: what is attended, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import in_short
from viz.capture.provenance import Provenance
from viz.capture.replay.weight_matrices import moved


@dataclass(frozen=True, slots=True)
class SparseLayer:
    """Weights of local, block-sparse or hashed attention, row by row; the rest was not attended.

    Shapes: starts [head * query + 1], where in `columns` and `values` each row begins; columns
    [attended], the keys; values [attended], their weights, float32.

    Attributes beyond them: size, heads, queries and keys; tokens, how many of the first queries and
    keys are the model's own units, the rest being what the layer adds, such as global tokens.
    """

    name: str
    starts: Tensor
    columns: Tensor
    values: Tensor
    size: tuple[int, int, int]
    tokens: int
    provenance: Provenance

    __repr__ = in_short

    @classmethod
    def of(cls, name: str, weights: Tensor, tokens: int, provenance: Provenance) -> SparseLayer:
        """Take weights [head, query, key], as a whole, or sparse and coalesced."""
        heads, queries, keys = weights.shape
        if weights.is_sparse:
            head, query, key = weights.indices()
            rows, values = head * queries + query, weights.values().float()
        else:
            flat = weights.reshape(-1)
            places = flat.nonzero()[:, 0]
            rows, key = places // keys, places % keys
            values = flat[places].float()
        counts = torch.bincount(rows, minlength=heads * queries)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(name, starts, key, values, (heads, queries, keys), tokens, provenance)

    @property
    def heads(self) -> int:
        """How many heads look."""
        return self.size[0]

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys."""
        return self.size[1], self.size[2]

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        return [self.values, self.columns, self.starts]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Write out rows of weights; see `RecordedLayer.rows`."""
        row, place = self._places(heads, rows)
        count = heads.stop - heads.start
        out = self.values.new_zeros(count * len(rows), self.size[2])
        out[row, self.columns[place]] = self.values[place]
        return out.view(count, len(rows), self.size[2]), 0

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows look at, bool [head, row, key]."""
        row, place = self._places(slice(0, self.heads), rows)
        out = torch.zeros(
            self.heads * len(rows), self.size[2], dtype=torch.bool, device=rows.device
        )
        out[row, self.columns[place]] = True
        return out.view(self.heads, len(rows), self.size[2])

    def _places(self, heads: slice, rows: Tensor) -> tuple[Tensor, Tensor]:
        """List every stored weight of some rows: the row it belongs to, and where it lies."""
        head = torch.arange(heads.start, heads.stop, device=rows.device)
        wanted = (head[:, None] * self.size[1] + rows[None]).reshape(-1)
        first, last = self.starts[wanted], self.starts[wanted + 1]
        counts = last - first
        row = torch.repeat_interleave(torch.arange(len(wanted), device=rows.device), counts)
        before = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        return row, torch.repeat_interleave(first, counts) + torch.arange(
            len(row), device=rows.device
        ) - before


def without_padding(weights: Tensor, own: int, units: int) -> tuple[Tensor, int]:
    """Leave out units that a model added to fill its last window, where nobody looks at them.

    Args:
        weights: [head, query, key], as a whole, or sparse and coalesced.
        own: the first queries and keys that stand for the model's units, padding included.
        units: how many of those are the input's.

    Returns:
        The weights without padding, and how many of the first units are the input's; unchanged
        where the padding is looked at.
    """
    if own <= units:
        return weights, own
    place = torch.arange(max(weights.shape[1:]), device=weights.device)
    place = torch.where(place < own, torch.where(place < units, place, -1), place - (own - units))
    kept = moved(weights, place[: weights.shape[1]], place[: weights.shape[2]])
    return (weights, own) if kept is None else (kept, units)
