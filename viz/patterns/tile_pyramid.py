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

from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.errors import ShapeError
from viz.patterns.cells import log_cells

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
    pooling: Pooling = "max",
    going: Callable[[], None] | None = None,
) -> NDArray[np.float16]:
    """Compute one tile of a head's pattern, exactly.

    Args:
        layer: that has the head.
        head: from 0.
        totals: log-sum-exp of the layer's rows, [head, query]; None where only whole rows are known.
        address: which tile.
        pooling: the largest weight of each cell, or their mean; at level 0 they are the same.
        going: called between blocks; may raise to cancel.

    Returns:
        A weight a cell, [row, column]; NaN where none of what it stands for may be looked at.

    Raises:
        ShapeError: the pattern has no such tile.

    Cost: cells * 4^level * d, in blocks; memory does not grow with the pattern where totals are known.
    """
    rows, columns, step = tile_area(address, *layer.shape)
    shape = (math.ceil(len(rows) / step), math.ceil(len(columns) / step))
    drawn = torch.full(shape, torch.nan)
    tall = max(step, BLOCK_NUMBERS // len(columns) // step * step)
    for start in range(rows.start, rows.stop, tall):
        if going is not None:
            going()
        at = torch.arange(start, min(start + tall, rows.stop), device=layer.tensors[0].device)
        run = _reached(layer, at, columns, step)
        if not run:
            continue
        block, seen = _block(layer, head, totals, at, run, step, pooling)
        down, across = (start - rows.start) // step, (run.start - columns.start) // step
        part = (slice(down, down + len(seen)), slice(across, across + seen.shape[1]))
        if pooling == "mean":
            # A cell that ends with the run stands for more than is in it.
            block = block / weights_in_cells(len(at), len(columns), step)[:, part[1]]
        drawn[part] = torch.where(seen, block, torch.tensor(torch.nan))
    return drawn.half().numpy()


def tile_area(address: Address, queries: int, keys: int) -> tuple[range, range, int]:
    """Return the rows and columns that a tile covers, and how many of either a cell stands for.

    Raises:
        ShapeError: the pattern has no such tile.
    """
    # A level of many digits is one that somebody made up; it must not be a power of two first.
    known = 0 <= address.level < levels(queries, keys)
    step = 1 << address.level if known else 1
    rows = _span(address.row, step, queries)
    columns = _span(address.column, step, keys)
    if not known or not rows or not columns:
        raise ShapeError(
            f"There is no tile {address.row}, {address.column} at level {address.level}; the pattern "
            f"has {queries:,} x {keys:,} weights and {levels(queries, keys)} levels.",
            "Ask for a tile inside it.",
        )
    return rows, columns, step


def _span(number: int, step: int, count: int) -> range:
    """Say which units a row or a column of tiles covers."""
    size = TILE * step
    return range(min(max(number, 0) * size, count), min((number + 1) * size, count))


def _reached(layer: Layer, rows: Tensor, columns: range, step: int) -> range:
    """Narrow columns to those that rows reach, from the beginning of a cell."""
    if not isinstance(layer, RecordedLayer):
        return columns
    first, last = layer.mask.reach(rows)
    skipped = max(0, first - columns.start) // step * step
    return range(columns.start + skipped, min(columns.stop, last))


def _block(
    layer: Layer,
    head: int,
    totals: Tensor | None,
    rows: Tensor,
    columns: range,
    step: int,
    pooling: Pooling,
) -> tuple[Tensor, Tensor]:
    """Compute cells, and which of them stand for any weight that may be looked at, on the CPU."""
    one = slice(head, head + 1)
    if totals is not None and isinstance(layer, RecordedLayer):
        logs = log_cells(layer, one, rows, columns.start, columns.stop, totals[one])[0]
        # The largest weight is that of the largest logarithm: of the others no exponential is needed.
        pooled = (
            _pooled(logs, step, "max").exp_()
            if pooling == "max"
            else _pooled(logs.exp_(), step, "mean")
        )
        if isinstance(layer.mask, Spans):
            return pooled.cpu(), _touched(layer.mask, rows, columns, step).cpu()
        allowed = layer.mask.allowed(rows, columns.start, columns.stop)
    else:
        run, first = layer.rows(one, rows)
        weights = torch.zeros(len(rows), len(columns), device=run.device)
        start, stop = max(first, columns.start), min(first + run.shape[-1], columns.stop)
        if start < stop:
            here = slice(start - columns.start, stop - columns.start)
            weights[:, here] = run[0][:, start - first : stop - first]
        pooled = _pooled(weights, step, pooling)
        allowed = layer.may_look(rows)[..., columns.start : columns.stop]
    seen = _pooled(allowed[min(head, len(allowed) - 1)].float(), step, "max") > 0
    return pooled.cpu(), seen.cpu()


def _touched(rule: Spans, rows: Tensor, columns: range, step: int) -> Tensor:
    """Say which cells hold any key of any of their rows' runs, [row of cells, column of cells]."""
    edges = torch.arange(columns.start, columns.stop, step, device=rows.device)
    start, stop = rule.start[rows, None], rule.stop[rows, None]
    ends = (edges + step).clamp(max=columns.stop)
    touched = (start < ends) & (stop > edges) & (stop > start)
    return _down(touched.float(), step, 0.0).amax(dim=1) > 0


def _pooled(block: Tensor, step: int, pooling: Pooling) -> Tensor:
    """Return the largest or the sum of each cell; cells at the end may stand for fewer."""
    if step == 1:
        return block
    # Rows before columns: neighbours of a row lie together, so that whole rows are added at a time.
    if pooling == "max":
        across = _down(block, step, -math.inf).amax(dim=1)
        return _across(across, step, -math.inf).amax(dim=2)
    return _across(_down(block, step, 0.0).sum(dim=1), step, 0.0).sum(dim=2)


def _down(rows: Tensor, step: int, fill: float) -> Tensor:
    """Group rows by cells: [row of cells, step, column]."""
    short = -len(rows) % step
    full = torch.nn.functional.pad(rows, (0, 0, 0, short), value=fill) if short else rows
    return full.view(-1, step, rows.shape[1])


def _across(rows: Tensor, step: int, fill: float) -> Tensor:
    """Group columns by cells: [row, column of cells, step]."""
    short = -rows.shape[1] % step
    full = torch.nn.functional.pad(rows, (0, short), value=fill) if short else rows
    return full.view(len(rows), -1, step)


def weights_in_cells(rows: int, columns: int, step: int) -> Tensor:
    """Say how many weights each cell stands for."""
    tall, wide = (
        (count - torch.arange(0, count, step)).clamp(max=step) for count in (rows, columns)
    )
    return tall[:, None] * wide[None, :]
