"""What takes blocks of weights, and is asked of one head at a time: the head somebody looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, RecordedLayer, blocks
from viz.patterns.cells import cells
from viz.patterns.max_pooling import pool_max_into

# Side of the picture of largest weights.
SIDE = 256

# Strongest edges that are kept.
EDGES = 100

# Numbers of a block of weights: small enough to stay near the processor.
BLOCK_NUMBERS = 1 << 21


@dataclass(frozen=True, slots=True)
class HeadDetail:
    """What one head does with each key, and its strongest edges.

    Attributes:
        received: what all queries together put on each key, [key], float32.
        weights: of the strongest edges, the heaviest first.
        queries: where each of them looks from.
        keys: what each of them looks at.
        largest: the largest weight of every block, [block of queries, block of keys], float32.
    """

    received: Tensor
    weights: Tensor
    queries: Tensor
    keys: Tensor
    largest: Tensor


def head_detail(
    layer: Layer,
    head: int,
    totals: Tensor | None,
    *,
    edges: int = EDGES,
    side: int = SIDE,
    without: int | None = None,
    going: Callable[[], None] | None = None,
) -> HeadDetail:
    """Go over one head's weights once.

    Args:
        layer: that has the head.
        head: from 0.
        totals: log-sum-exp of the layer's rows, [head, query], where it is known.
        edges: how many of the strongest are kept.
        side: of the picture, at most.
        without: a key to leave out of the strongest edges, such as the sink.
        going: called between blocks; may raise to cancel.

    Cost: n^2 * d, in blocks of rows; memory grows with n.
    """
    queries, keys = layer.shape
    device = layer.tensors[0].device
    received = torch.zeros(keys, device=device)
    largest = torch.zeros(1, min(side, queries), min(side, keys), device=device)
    best = torch.zeros(0, device=device)
    where = torch.zeros(0, dtype=torch.long, device=device)
    for rows, weights, first in _head_blocks(layer, head, totals):
        if going is not None:
            going()
        run = weights.shape[-1]
        received[first : first + run] += weights[0].sum(dim=0)
        pool_max_into(largest, weights, rows, first, queries, keys)
        seen = weights[0]
        if without is not None and first <= without < first + run:
            seen = seen.index_fill(1, torch.tensor([without - first], device=device), 0.0)
        count = min(edges, seen.numel())
        # Most blocks hold nothing that beats what was found; they are passed over quickly.
        if count and (len(best) < edges or float(seen.amax()) > float(best[-1])):
            top, at = seen.reshape(-1).topk(count)
            at = rows[at // run] * keys + first + at % run
            best, order = torch.cat([best, top]).topk(min(edges, len(best) + len(top)))
            where = torch.cat([where, at])[order]
    kept = best > 0
    best, where = best[kept], where[kept]
    return HeadDetail(received, best, where // keys, where % keys, largest[0])


def _head_blocks(
    layer: Layer, head: int, totals: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Walk through one head's weights: rows, [1, row, key run], and the run's first key."""
    one = slice(head, head + 1)
    rows = torch.arange(layer.shape[0], device=layer.tensors[0].device)
    if totals is None or not isinstance(layer, RecordedLayer):
        yield from blocks(layer, one, rows)
        return
    for block in torch.split(rows, max(1, BLOCK_NUMBERS // layer.shape[1])):
        first, last = layer.mask.reach(block)
        yield block, cells(layer, one, block, first, last, totals[one]), first
