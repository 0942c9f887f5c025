"""What small steps of the cells' contents tell: how large a unit's step is, beside the step of a whole one.

In one pass every cell takes a whole step from its content, in others a share of it that its row or its
column says. What a model computes of a small step is near linear, so that a unit takes the same share of
its own whole step as its cell did, in every layer. Where a unit is made of several cells that took other
shares, its numbers do not agree on one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from viz.models.codes import Coded, Side, Source

# A whole step, as a share of what lies between the two contents of a cell.
WHOLE = 1e-3

# How many cells along an axis may be one unit.
MERGED = (1, 2, 4, 8, 16, 32)

# How far a unit may be from its cell, in cells; and how far its numbers may be from agreeing.
NEAR_CELL = 0.2

# A token of the model's own takes more than a whole step in every pass over shares: the first of them
# twice that, the next three times.
FIRST_TOKEN = 2

# How near a share must come to that of a token.
NEAR_TOKEN = 0.05


def shares_of(source: Source, merged: int, axis: int) -> Tensor:
    """Which share of a whole step each cell takes in the pass over an axis; of the shape of the grid.

    Grids of other sizes take other shares, so that a unit fits one of them alone.
    """
    if axis >= len(source.size):
        return torch.zeros(source.size)
    index = torch.arange(source.size[axis]) // merged
    shape = [1] * len(source.size)
    shape[axis] = -1
    shares = (index + 0.5) / _groups(source.size, merged, axis) * _scale(source.size)
    return shares.view(shape).expand(source.size)


def _groups(size: Sequence[int], merged: int, axis: int) -> int:
    return -(-size[axis] // merged)


def _scale(size: Sequence[int]) -> float:
    return 0.6 + 0.4 * (zlib.crc32(str(tuple(size)).encode()) % 1000) / 1000


def token_share(number: int) -> int:
    """How many whole steps a kind of the model's own tokens takes in passes over shares."""
    return FIRST_TOKEN + number


def tokens_of(side: Side, seen: Coded) -> list[str]:
    """Name the kind of the model's own tokens that each unit is; "" for all others."""
    of_kinds = dict(side.tokens)
    if side.moves is not None and side.shares:
        share = torch.stack([share for share, _ in side.shares.values()])
        for number, name in enumerate(seen.tokens):
            near = (share - token_share(number)).abs().amax(dim=0) < NEAR_TOKEN
            of_kinds[name] = near & side.moves
    names = [""] * len(side.one)
    for name, units in of_kinds.items():
        for unit in units.nonzero()[:, 0].tolist():
            names[unit] = "?" if names[unit] else name
    return names


def from_cells(side: Side) -> Tensor:
    """Which units moved with cells, as far as is known, and are no tokens of the model's own; bool [unit]."""
    if side.moves is None:
        return torch.zeros(len(side.one), dtype=torch.bool)
    if not side.shares:
        return side.moves
    share = torch.stack([share for share, _ in side.shares.values()])
    return side.moves & (share.amin(dim=0) < FIRST_TOKEN - NEAR_TOKEN)


def merged_units(side: Side, sources: Sequence[Source]) -> int:
    """How many cells along each axis are one unit, by how many units there are; 1 where that is not told."""
    count = int(from_cells(side).sum())
    for merged in MERGED:
        if any(math.prod(merged_size(source.size, merged)) == count for source in sources):
            return merged
    return 1


def by_steps(side: Side, seen: Coded) -> tuple[int, Tensor, tuple[int, ...]] | None:
    """Name the cell of each unit by the latest source that explains every pass.

    Returns:
        The number of the source, the cells [unit, axis], -1 for units that come from none, and the size
        of the grid, of which merged cells are one.
    """
    own = from_cells(side)
    if not side.shares or not bool(own.any()):
        return None
    tried: set[tuple[int, ...]] = set()
    for number in reversed(range(len(seen.sources))):
        source = seen.sources[number]
        if source.order >= side.order or source.size in tried:
            continue
        tried.add(source.size)
        for merged in dict.fromkeys(merged for merged, _ in side.shares):
            cells = _cells(side, own, source.size, merged, seen)
            if cells is not None:
                places = torch.full((len(own), len(source.size)), -1)
                places[own] = cells
                return number, places, merged_size(source.size, merged)
    return None


def merged_size(size: Sequence[int], merged: int) -> tuple[int, ...]:
    """The size of a grid where so many cells along each axis are one unit; inputs are never merged."""
    return (size[0], *(_groups(size, merged, axis) for axis in range(1, len(size))))


def _cells(
    side: Side, own: Tensor, size: tuple[int, ...], merged: int, seen: Coded
) -> Tensor | None:
    """Read the cell of every unit [unit, axis]; None where any pass says otherwise."""
    cells = torch.zeros(int(own.sum()), len(size), dtype=torch.long)
    for axis in sorted({axis for _, axis in seen.scales}):
        # Inputs of a batch are never merged.
        level = merged if axis else 1
        if (level, axis) not in side.shares:
            return None
        share, miss = (one[own] for one in side.shares[level, axis])
        if axis >= len(size):
            if bool((share.abs() > NEAR_CELL / 10).any()):
                return None
            continue
        groups = _groups(size, level, axis)
        exact = share / _scale(size) * groups - 0.5
        index = exact.round()
        fits = (exact - index).abs() <= NEAR_CELL
        fits &= miss / _scale(size) * groups <= NEAR_CELL
        # Negated, so that NaN does not pass.
        if not bool((fits & (index >= 0) & (index < groups)).all()):
            return None
        cells[:, axis] = index.long()
    return cells
