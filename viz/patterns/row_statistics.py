"""What is known of every row of a layer's heads, however it was found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.patterns.max_pooling import pool_edges

# Blocks of keys that are told apart, at least; where heads have more dimensions, half as many.
LEAST_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """What is known of each query row of a layer's heads; float32, shape [head, query].

    Attributes:
        totals: log-sum-exp of the row's scores, a sink included; None where the model gave weights
            and no scores.
        mass: what the row's weights sum to: 1, less where a sink takes its share, 0 of padding.
        entropy: `-sum w log w`, in nats.
        distance: `sum w |query - key|`, in units.
        first: weight on the first key.
        current: weight on the query's own position.
        previous: weight on the position before.
        thumbnail: mean weights of blocks, [head, block of queries, block of keys].
    """

    totals: Tensor | None
    mass: Tensor
    entropy: Tensor
    distance: Tensor
    first: Tensor
    current: Tensor
    previous: Tensor
    thumbnail: Tensor

    @property
    def memory_bytes(self) -> int:
        """What keeping them costs."""
        kept = (self.totals, self.mass, self.entropy, self.distance, self.first)
        rows = sum(0 if one is None else one.numel() for one in kept)
        return 4 * (rows + 2 * self.current.numel() + self.thumbnail.numel())


def joined(parts: Sequence[RowStatistics]) -> RowStatistics:
    """Lay the statistics of runs of heads one after the other."""
    names = [field.name for field in fields(RowStatistics)]
    return RowStatistics(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    )


def block_count(layer: Layer, side: int | None = None) -> int:
    """How many blocks a layer's thumbnail has along the longer side, at most `side`."""
    width = layer.query.shape[-1] if isinstance(layer, RecordedLayer) else 0
    count = max(LEAST_BLOCKS, width // 2)
    return count if side is None else min(count, side)


def block_of(edges: list[int], device: torch.device) -> Tensor:
    """Say which block each key belongs to."""
    counts = torch.diff(torch.tensor(edges, device=device))
    return torch.repeat_interleave(torch.arange(len(counts), device=device), counts)


def pool_rows_into(thumbnail: Tensor, mass: Tensor, rows: Tensor, queries: int) -> None:
    """Add up rows of blocks of keys by blocks of queries, in place."""
    tall = thumbnail.shape[1]
    groups = ((rows + 1) * tall - 1) // queries
    thumbnail.index_add_(1, groups, mass)


def mean_thumbnail(mass: Tensor, queries: int, keys: int) -> Tensor:
    """Divide the weight on each block by what it holds, [head, block of queries, block of keys]."""
    tall, wide = (
        torch.diff(torch.tensor(pool_edges(count, blocks), device=mass.device))
        for count, blocks in zip((queries, keys), mass.shape[1:], strict=True)
    )
    return mass / (tall[:, None] * wide[None, :])
