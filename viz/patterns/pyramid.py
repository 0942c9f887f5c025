"""Any part of a pattern at any scale: tiles of exact weights, or of blocks of them pooled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layer import Layer, RecordedLayer
from viz.errors import ShapeError
from viz.patterns.cells import cells

Pooling = Literal["max", "mean"]
POOLINGS: tuple[Pooling, ...] = ("max", "mean")

# Rows and columns of a tile.
TILE = 256

# Numbers of a block of weights, of which a tile at a coarse level is made.
BLOCK_NUMBERS = 1 << 22


@dataclass(frozen=True, slots=True)
class Address:
    """Which tile of a pattern: at level l a cell stands for up to 2^l x 2^l weights."""

    level: int
    row: int
    column: int


def levels(queries: int, keys: int) -> int:
    """Return how many levels a pattern has; the whole of it is one tile at the last."""
    return 1 + max(0, math.ceil(math.log2(max(queries, keys, 1) / TILE)))


def tile(
    layer: Layer,
    head: int,
    totals: Tensor | None,
    address: Address,
    going: Callable[[], None] | None = None,
) -> dict[Pooling, NDArray[np.float16]]:
    """Compute one tile of a head's pattern, exactly.

    Args:
        layer: that has the head.
        head: from 0.
        totals: log-sum-exp of the layer's rows, [head, query]; None where only whole rows are known.
        address: which tile.
        going: called between blocks; may raise to cancel.

    Returns:
        The largest and the mean weight of each cell, [row, column]; NaN where none of what it stands
        for may be looked at. At level 0 they are the same array.

    Raises:
        ShapeError: the pattern has no such tile.

    Cost: cells * 4^level * d, in blocks; memory does not grow with the pattern where totals are known.
    """
    queries, keys = layer.shape
    step = 1 << max(0, address.level)
    rows = _span(address.row, step, queries)
    columns = _span(address.column, step, keys)
    if not 0 <= address.level < levels(queries, keys) or not rows or not columns:
        raise ShapeError(
            f"There is no tile {address.row}, {address.column} at level {address.level}; the pattern "
            f"has {queries:,} x {keys:,} weights and {levels(queries, keys)} levels.",
            "Ask for a tile inside it.",
        )
    shape = (math.ceil(len(rows) / step), math.ceil(len(columns) / step))
    largest, mean = (torch.full(shape, torch.nan) for _ in range(2))
    tall = max(step, BLOCK_NUMBERS // len(columns) // step * step)
    for start in range(rows.start, rows.stop, tall):
        if going is not None:
            going()
        at = torch.arange(start, min(start + tall, rows.stop), device=layer.tensors[0].device)
        block, allowed = _block(layer, head, totals, at, columns)
        if block is None:
            continue
        first = (start - rows.start) // step
        part = slice(first, first + math.ceil(len(at) / step))
        seen = _pooled(allowed.float(), step, "max") > 0
        nothing = torch.tensor(torch.nan)
        largest[part] = torch.where(seen, _pooled(block, step, "max"), nothing)
        mean[part] = torch.where(seen, _pooled(block, step, "mean"), nothing)
    if step == 1:
        exact = largest.numpy().astype(np.float16)
        return {"max": exact, "mean": exact}
    return {"max": largest.numpy().astype(np.float16), "mean": mean.numpy().astype(np.float16)}


def _span(number: int, step: int, count: int) -> range:
    """Say which units a row or a column of tiles covers."""
    size = TILE * step
    return range(min(max(number, 0) * size, count), min((number + 1) * size, count))


def _block(
    layer: Layer, head: int, totals: Tensor | None, rows: Tensor, columns: range
) -> tuple[Tensor | None, Tensor]:
    """Compute weights and what may be looked at, on the CPU; None where nothing may."""
    one = slice(head, head + 1)
    if totals is not None and isinstance(layer, RecordedLayer):
        first, last = layer.mask.reach(rows)
        if last <= columns.start or first >= columns.stop:
            return None, torch.zeros(0)
        allowed = layer.mask.allowed(rows, columns.start, columns.stop)
        weights = cells(layer, one, rows, columns.start, columns.stop, totals[one])[0]
    else:
        run, first = layer.rows(one, rows)
        weights = torch.zeros(len(rows), len(columns), device=run.device)
        start, stop = max(first, columns.start), min(first + run.shape[-1], columns.stop)
        if start < stop:
            here = slice(start - columns.start, stop - columns.start)
            weights[:, here] = run[0][:, start - first : stop - first]
        allowed = layer.may_look(rows)[..., columns.start : columns.stop]
    return weights.cpu(), allowed[min(head, len(allowed) - 1)].cpu()


def _pooled(block: Tensor, step: int, pooling: Pooling) -> Tensor:
    """Pool a block; cells at its end may stand for fewer."""
    if step == 1:
        return block
    whole = block[None, None]
    # Where the pattern ends, a cell's mean is that of the weights that are there.
    pool = torch.nn.functional.max_pool2d if pooling == "max" else torch.nn.functional.avg_pool2d
    return pool(whole, step, ceil_mode=True)[0, 0]
