"""What a span of queries puts on each key together, or what a span of keys gets from each query."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, RecordedLayer, blocks
from viz.errors import ShapeError
from viz.patterns.cells import cells

# Numbers of a block of weights.
BLOCK_NUMBERS = 1 << 22


def sum_over(
    layer: Layer,
    head: int,
    totals: Tensor | None,
    side: str,
    span: range,
    going: Callable[[], None] | None = None,
) -> Tensor:
    """Sum one head's weights over a span of one axis.

    Args:
        layer: that has the head.
        head: from 0.
        totals: log-sum-exp of the layer's rows, [head, query]; None where only whole rows are known.
        side: `queries` sums rows, one number a key; `keys` sums columns, one number a query.
        span: of queries, or of keys.
        going: called between blocks; may raise to cancel.

    Returns:
        Shape [key] or [query], float32.

    Raises:
        ShapeError: the axis is neither, or the span is empty or outside of it.

    Cost: span * the other axis * d, in blocks.
    """
    queries, keys = layer.shape
    if side not in ("queries", "keys"):
        raise ShapeError(f"There is no axis {side!r:.20}.", "Choose queries or keys.")
    count = queries if side == "queries" else keys
    if not (0 <= span.start < span.stop <= count):
        raise ShapeError(
            f"{side.capitalize()} {span.start} to {span.stop - 1} are no span of 0 to {count - 1}.",
            "Choose a span inside the pattern.",
        )
    device = layer.tensors[0].device
    rows = torch.arange(queries, device=device)
    rows = rows[span.start : span.stop] if side == "queries" else rows
    run = range(keys) if side == "queries" else span
    summed = torch.zeros(keys if side == "queries" else queries, device=device)
    for block, weights, first in _blocks(layer, head, totals, rows, run):
        if going is not None:
            going()
        if side == "queries":
            summed[first : first + weights.shape[1]] += weights.sum(dim=0)
        else:
            inside = slice(max(span.start - first, 0), max(span.stop - first, 0))
            summed[block] = weights[:, inside].sum(dim=1)
    return summed


def _blocks(
    layer: Layer, head: int, totals: Tensor | None, rows: Tensor, run: range
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Walk through blocks of the weights: rows, [row, key run], and the run's first key."""
    one = slice(head, head + 1)
    if totals is None or not isinstance(layer, RecordedLayer):
        for block, weights, first in blocks(layer, one, rows):
            yield block, weights[0], first
        return
    for block in torch.split(rows, max(1, BLOCK_NUMBERS // len(run))):
        first, last = layer.mask.reach(block)
        start, stop = max(first, run.start), min(last, run.stop)
        if start < stop:
            yield block, cells(layer, one, block, start, stop, totals[one])[0], start
