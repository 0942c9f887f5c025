"""Statistics of every row by going over blocks of weights: the reference, and the way of what is left.

Soft caps, position biases of pairs, and weights that a model made itself are no formula that the kernel
knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, RecordedLayer, blocks
from viz.patterns.cells import scores, with_sinks
from viz.patterns.max_pooling import pool_edges
from viz.patterns.row_statistics import (
    RowStatistics,
    block_count,
    block_of,
    mean_thumbnail,
    pool_rows_into,
)

# Numbers of a block of weights.
BLOCK_NUMBERS = 1 << 23


def by_blocks(layer: Layer, tell: Callable[[], None], side: int | None = None) -> RowStatistics:
    """Go over blocks of weights: the reference of the kernel, and the way of everything else."""
    queries, keys = layer.shape
    device = layer.tensors[0].device
    rows = torch.arange(queries, device=device)
    names = ("mass", "entropy", "distance", "first", "current", "previous")
    out = {name: torch.zeros(layer.heads, queries, device=device) for name in names}
    recorded = isinstance(layer, RecordedLayer)
    totals = torch.zeros(layer.heads, queries, device=device) if recorded else None
    edges = pool_edges(keys, block_count(layer, side))
    tall = min(queries, block_count(layer, side))
    thumbnail = torch.zeros(layer.heads, tall, len(edges) - 1, device=device)
    groups = block_of(edges, device)
    for block, weights, first in _weight_blocks(layer, rows, totals):
        tell()
        place = block + (keys - queries)
        columns = torch.arange(first, first + weights.shape[-1], device=device)
        away = (columns - place[:, None]).abs()
        out["mass"][:, block] = weights.sum(dim=-1)
        out["entropy"][:, block] = torch.special.entr(weights).sum(dim=-1)
        out["distance"][:, block] = (weights * away).sum(dim=-1)
        for name, at in (
            ("first", torch.zeros_like(place)),
            ("current", place),
            ("previous", place - 1),
        ):
            inside = (at >= first) & (at <= int(columns[-1]))
            there = torch.arange(len(block), device=device)[inside]
            out[name][:, block[inside]] = weights[:, there, at[inside] - first]
        across = torch.zeros(layer.heads, len(block), len(edges) - 1, device=device)
        across.index_add_(2, groups[columns], weights)
        pool_rows_into(thumbnail, across, block, queries)
    return RowStatistics(totals=totals, **out, thumbnail=mean_thumbnail(thumbnail, queries, keys))


def _weight_blocks(
    layer: Layer, rows: Tensor, totals: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Walk through blocks of weights, noting the log-sum-exp of rows whose scores are known."""
    everyone = slice(0, layer.heads)
    if not isinstance(layer, RecordedLayer) or totals is None:
        yield from blocks(layer, everyone, rows)
        return
    for block in torch.split(rows, max(1, BLOCK_NUMBERS // (layer.heads * layer.shape[1]))):
        first, last = layer.mask.reach(block)
        score = scores(layer, everyone, block, first, last)
        own = with_sinks(layer, everyone, block, torch.logsumexp(score, dim=-1))
        totals[:, block] = own
        floor = torch.finfo(torch.float32).min
        yield block, torch.exp_(score - own.clamp(min=floor)[..., None]), first
