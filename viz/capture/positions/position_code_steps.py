"""What small steps of the cells' contents tell: how large a unit's step is, beside the step of a whole one.

In one pass every cell takes a whole step from its content, in others a share of it that its row or its
column says. What a model computes of a small step is near linear, so that a unit takes the same share of
its own whole step as its cell did, in every layer. Where a unit is made of several cells that took other
shares, its numbers do not agree on one.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from viz.capture.positions.position_code_records import MOST_TOKENS, Coded, Scale, Side, Source

# A whole step, as a share of what lies between the two contents of a cell: what rounding does to a smaller
# one, a larger one's curve does.
WHOLE = 2e-3

# How many cells along an axis may be one unit.
MERGED = (1, 2, 4, 8, 16, 32)

# How many shares steps tell apart; longer axes are counted in two digits or more.
MOST_SHARES = 512

# Where one pass is for layers with cells merged more and less, those of one merged cell lie this near its own
# share, as a part of what lies between two.
NESTED = 0.6

# A token of the model's own takes more than a whole step in every pass over shares: the first of them
# twice that, the next three times.
FIRST_TOKEN = 2

# How near a share must come to that of a token.
NEAR_TOKEN = 0.05


def scales_of(seen: Coded, merged: int) -> list[Scale]:
    """List the passes that tell cells apart where so many are one; inputs of a batch are never merged."""
    # Pieces of a sequence may be called one by one.
    counts = [
        sum(int(from_cells(call[side]).sum()) for call in calls)
        for calls in seen.calls.values()
        for side in (0, 1)
    ]
    units = max(counts, default=0)
    digits: dict[int, int] = {}
    for source in seen.sources:
        size = merged_size(source.size, merged)
        # Of a grid that has more cells, axes merged as a whole left out, there are not enough units.
        if math.prod(size) > units * max(size[1:], default=1):
            continue
        for axis in range(1 if merged > 1 else 0, len(size)):
            digits[axis] = max(digits.get(axis, 0), len(bases_of(size[axis])))
    return [
        Scale(merged, axis, digit)
        for axis, count in sorted(digits.items())
        for digit in range(count)
    ]


def nested_scales(seen: Coded) -> list[Scale]:
    """List the passes that tell cells apart in layers that merge them more and less; none where one merges all."""
    merges = {
        merged_units(side, seen.sources) for side in seen.sides if bool(from_cells(side).any())
    }
    most = max(merges, default=1)
    plain = scales_of(seen, 1)
    # Every merging divides the next, as cells are merged again and again.
    nested = tuple(merged for merged in MERGED if merged in merges)
    if len(nested) < 2 or any(scale.digit for scale in scales_of(seen, most)):
        return []
    axes = sorted({scale.axis for scale in plain if scale.axis})
    batch = [scale for scale in plain if not scale.axis]
    return batch + [Scale(most, axis, nested=nested) for axis in axes]


def shares_of(source: Source, scale: Scale) -> Tensor:
    """Which share of a whole step each cell takes in a pass; of the shape of the grid."""
    shares = torch.zeros(source.size)
    if scale.axis >= len(source.size):
        return shares
    bases = bases_of(groups_of(source.size, scale.merged, scale.axis))
    if scale.digit >= len(bases):
        return shares
    least = scale.nested[0] if scale.nested else scale.merged
    index = torch.arange(source.size[scale.axis]) // least
    known, _ = known_shares(source.size, scale, least)
    number = index if scale.nested else _digit(index, bases, scale.digit)
    shape = [1] * len(source.size)
    shape[scale.axis] = -1
    return shares + known[number].view(shape)


def _digit(index: Tensor, bases: Sequence[int], digit: int) -> Tensor:
    return index // math.prod(bases[:digit]) % bases[digit]


def known_shares(size: Sequence[int], scale: Scale, merged: int) -> tuple[Tensor, float]:
    """The shares that units of so many cells take in a pass, and what lies between two at least.

    They are those of each value of a digit; of a nested pass those of each unit along the axis.
    """
    cells = size[scale.axis]
    count = bases_of(groups_of(size, scale.merged, scale.axis))[scale.digit]
    known = levels(count, cells)
    step = float(known.max()) / (count + 0.5)
    if not scale.nested:
        return known, step
    first = torch.arange(0, cells, merged)
    shares, coarse = known[first // scale.merged], scale.merged
    for fine in reversed([one for one in scale.nested if merged <= one < scale.merged]):
        parts = coarse // fine
        step *= NESTED / parts
        shares = shares + (first // fine % parts - (parts - 1) / 2) * step
        coarse = fine
    return shares, step


def groups_of(size: Sequence[int], merged: int, axis: int) -> int:
    return -(-size[axis] // merged) if axis else size[axis]


def bases_of(count: int) -> list[int]:
    """Say what each digit of a number below `count` counts to, the last digit first; none for one cell."""
    if count == 1:
        return []
    digits = 1
    while MOST_SHARES**digits < count:
        digits += 1
    base = math.ceil(count ** (1 / digits))
    return [base] * digits


@functools.lru_cache(maxsize=64)
def levels(count: int, cells: int) -> Tensor:
    """Give a share to every value of a digit, in an order drawn by chance; [value], from 0 to 1.

    One share in the middle is nobody's, so that the mean of all cells is none. Along an axis of another
    length they are others, so that a unit fits no other grid.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{count} {cells}".encode()))
    places = torch.arange(count + 1)
    places = places[places != (count + 1) // 2]
    order = torch.randperm(count, generator=generator)
    longest = 0.6 + 0.4 * float(torch.rand((), generator=generator))
    return longest * (places[order] + 0.5) / (count + 1)


def token_share(number: int) -> int:
    """How many whole steps a kind of the model's own tokens takes in passes over shares."""
    return FIRST_TOKEN + number


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
    sizes = frozenset(source.size for source in sources)
    return _merged_by_count(sizes).get(int(from_cells(side).sum()), 1)


@functools.lru_cache(maxsize=16)
def _merged_by_count(sizes: frozenset[tuple[int, ...]]) -> dict[int, int]:
    """How many cells are one unit, at least, where grids of these sizes become so many units."""
    return {
        math.prod(merged_size(size, merged)): merged
        for merged in reversed(MERGED)
        for size in sizes
    }


def merged_size(size: Sequence[int], merged: int) -> tuple[int, ...]:
    """The size of a grid where so many cells along each axis are one unit."""
    return tuple(groups_of(size, merged, axis) for axis in range(len(size)))


def has_plane(seen: Coded) -> bool:
    """Whether any side has as many units as a plane has cells, but for some tokens beside them."""
    planes = {
        math.prod(source.size)
        for source in seen.sources
        if sum(size > 1 for size in source.size[1:]) > 1
    }
    return any(0 <= len(side.one) - cells <= MOST_TOKENS for side in seen.sides for cells in planes)
