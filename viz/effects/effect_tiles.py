"""Any part of a head's pattern at any scale, as what its weights do: signed tiles and the largest of them.

As tiles of weights (`viz.patterns.tile_pyramid`), but that a cell that stands for many shows the one that does most, for
the prediction or against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.effects.prediction_effects import Effects, WeightKind
from viz.errors import ShapeError
from viz.patterns.tile_pyramid import (
    BLOCK_NUMBERS,
    Address,
    Pooling,
    tile_area,
    weights_in_cells,
)

Going = Callable[[], None]


@dataclass(frozen=True, slots=True)
class HeadPlace:
    """A head, and what is shown of its weights."""

    kind: WeightKind
    layer: int
    head: int
    stack: str = "self"


def effect_tile(
    found: Effects,
    place: HeadPlace,
    address: Address,
    pooling: Pooling = "max",
    going: Going | None = None,
) -> NDArray[np.float32]:
    """Compute one tile of a head's pattern as what its weights do.

    Args:
        found: effects of a prediction.
        place: the head, and what is shown of its weights.
        address: which tile; at level l a cell stands for up to 2^l x 2^l weights.
        pooling: of each cell the number that is furthest from 0, or their mean.
        going: called between blocks; may raise to cancel.

    Returns:
        A number a cell, [row, column], in the unit of the kind; NaN where nothing may be looked at.

    Raises:
        ShapeError: the pattern has no such tile.
        LoupeError: there is no such number of the weights, and why.

    Cost: keys * d for each row and 4^level * d for each cell, in blocks.
    """
    own = found.trace.stacks[place.stack]
    rows, columns, step = tile_area(address, len(own.queries), len(own.keys))
    tall = max(step, BLOCK_NUMBERS // len(columns) // step * step)
    parts = []
    for block in blocks_of(found, place, rows, columns, tall, going):
        parts.append(pooled(block, step, pooling))
    return torch.cat(parts).numpy()


def largest_effects(
    found: Effects, place: HeadPlace, *, count: int, going: Going | None = None
) -> tuple[list[float], list[int], list[int]]:
    """List the weights that do most, the largest first: what they do, their queries and their keys.

    Args:
        found: effects of a prediction.
        place: the head, and what is shown of its weights.
        count: how many.
        going: called between blocks; may raise to cancel.
    """
    own = found.trace.stacks[place.stack]
    width = len(own.keys)
    tall = max(1, BLOCK_NUMBERS // width)
    values, cells = torch.zeros(0), torch.zeros(0, dtype=torch.long)
    every = range(len(own.queries))
    for number, block in enumerate(blocks_of(found, place, every, range(width), tall, going)):
        flat = block.nan_to_num().flatten()
        first = flat.abs().topk(min(count, len(flat))).indices
        values = torch.cat([values, flat[first]])
        cells = torch.cat([cells, first + number * tall * width])
        kept = values.abs().topk(min(count, len(values))).indices
        values, cells = values[kept], cells[kept]
    some = values != 0
    values, cells = values[some], cells[some]
    return values.tolist(), (cells // width).tolist(), (cells % width).tolist()


def sums_of_effects(
    found: Effects, place: HeadPlace, side: str, span: range, going: Going | None = None
) -> NDArray[np.float32]:
    """Add up what weights do over a span of queries, for each key; or of keys, for each query.

    Raises:
        ShapeError: there is no such side or span.
    """
    own = found.trace.stacks[place.stack]
    counts = {"queries": len(own.queries), "keys": len(own.keys)}
    if side not in counts or not 0 <= span.start < span.stop <= counts[side]:
        raise ShapeError(
            f"There are no {side:.20} {span.start} to {span.stop - 1}.",
            f"Choose among {len(own.queries):,} queries or {len(own.keys):,} keys.",
        )
    rows = span if side == "queries" else range(len(own.queries))
    columns = span if side == "keys" else range(len(own.keys))
    tall = max(1, BLOCK_NUMBERS // len(columns))
    blocks = [
        one.nan_to_num().double() for one in blocks_of(found, place, rows, columns, tall, going)
    ]
    axis = 0 if side == "queries" else 1
    added = [one.sum(dim=axis) for one in blocks]
    total = torch.stack(added).sum(dim=0) if side == "queries" else torch.cat(added)
    return total.float().numpy()


def blocks_of(
    found: Effects,
    place: HeadPlace,
    rows: range,
    columns: range,
    tall: int,
    going: Going | None = None,
) -> Iterator[Tensor]:
    """Compute rows block by block, [row, column], on the CPU; NaN where a query may not look."""
    own = found.trace.stacks[place.stack]
    layer = own.record(place.layer)
    device = layer.tensors[0].device
    for start in range(rows.start, rows.stop, tall):
        if going is not None:
            going()
        at = range(start, min(start + tall, rows.stop))
        values = found.weights(
            place.kind,
            place.layer,
            place.head,
            slice(at.start, at.stop),
            slice(columns.start, columns.stop),
            stack=place.stack,
        )
        allowed = layer.may_look(torch.arange(at.start, at.stop, device=device))
        own_mask = allowed[min(place.head, len(allowed) - 1)][:, columns.start : columns.stop]
        yield torch.where(own_mask.to(values.device), values, torch.nan).cpu()


def pooled(block: Tensor, step: int, pooling: Pooling) -> Tensor:
    """Return for each cell the number furthest from 0, or the mean; NaN where there is none."""
    if step == 1:
        return block
    rows, columns = block.shape
    padded = torch.nn.functional.pad(block, (0, -columns % step, 0, -rows % step), value=torch.nan)
    cells = padded.view(len(padded) // step, step, -1, step).transpose(1, 2).flatten(2)
    none = cells.isnan().all(dim=-1)
    numbers = cells.nan_to_num()
    if pooling == "mean":
        # Of a causal pattern what may not be looked at counts as 0, as it does for weights.
        real = (~cells.isnan()).sum(dim=-1)
        inside = weights_in_cells(rows, columns, step)
        found = numbers.sum(dim=-1) / torch.where(real > 0, inside, 1)
    else:
        most = numbers.abs().argmax(dim=-1, keepdim=True)
        found = numbers.gather(-1, most)[..., 0]
    return found.masked_fill(none, torch.nan)
