"""Which cell each unit comes from, read from the shares of a step that it took in every pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from viz.capture.positions.position_code_records import Coded, Scale, Side, Source, Told
from viz.capture.positions.position_code_steps import (
    MERGED,
    NEAR_TOKEN,
    NESTED,
    bases_of,
    from_cells,
    groups_of,
    known_shares,
    merged_size,
    merged_units,
    token_share,
)

# How far a unit may be from its cell, in shares; and how far its numbers may be from agreeing.
NEAR_CELL = 0.2

# The same where every cell has a unit of its own, so that no two can have been taken for each other.
NEAR_CELL_OF_ALL = 0.4


def by_steps(side: Side, seen: Coded, *, whole: bool = False) -> Told | None:
    """Name the cell of each unit by the latest source that explains every pass.

    Args:
        side: whose units they are.
        seen: what the passes have shown.
        whole: whether only a grid all of whose cells are there is looked for.

    Returns:
        The number of the source, the cells [unit, axis], -1 for units that come from none, and the size
        of the grid, of which merged cells are one.
    """
    if side.told[0] < len(side.shares):
        side.told = len(side.shares), _by_steps(side, seen, whole)
    return side.told[1]


def _by_steps(side: Side, seen: Coded, whole: bool) -> Told | None:
    own = from_cells(side)
    if not bool(own.any()):
        return None
    for number, source in _tried(side, seen):
        for merged in MERGED:
            if not any(scale.tells(merged) for scale in side.shares if scale.axis or merged == 1):
                continue
            if whole and math.prod(merged_size(source.size, merged)) != len(own):
                continue
            found = _cells(side, own, source.size, merged, seen)
            if found is not None:
                cells, size = found
                places = torch.full((len(own), len(size)), -1)
                places[own] = cells
                return number, places, size
    return None


def is_hopeless(side: Side, seen: Coded) -> bool:
    """Whether not even passes for its units alone would tell where they come from.

    Where a layer chooses the largest of some numbers, a step may change which that is, and no share is right.
    """
    own, merged = from_cells(side), merged_units(side, seen.sources)
    nested = [scale for scale in side.shares if scale.nested and scale.tells(merged)]
    if not nested:
        return False
    for _, source in _tried(side, seen):
        if math.prod(merged_size(source.size, merged)) != int(own.sum()):
            continue
        for scale in nested:
            alone = Scale(merged, scale.axis)
            if not bases_of(groups_of(source.size, merged, scale.axis)):
                continue
            most = float(side.shares[scale][1][own].max())
            rest = NESTED / 2 * known_shares(source.size, scale, merged)[1]
            if most - rest > NEAR_CELL_OF_ALL * known_shares(source.size, alone, merged)[1]:
                return True
    return False


def _tried(side: Side, seen: Coded) -> list[tuple[int, Source]]:
    """List the sources before a side, the latest first, one of each size."""
    latest: dict[tuple[int, ...], tuple[int, Source]] = {}
    for number in reversed(range(len(seen.sources))):
        source = seen.sources[number]
        if source.order < side.order:
            latest.setdefault(source.size, (number, source))
    return list(latest.values())


def _read(
    side: Side, own: Tensor, size: Sequence[int], scale: Scale, merged: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Read a digit of every unit, how far off each is, and how far its numbers are from agreeing."""
    share, miss = (one[own] for one in side.shares[scale])
    known, step = known_shares(size, scale, merged)
    ordered, numbers = known.sort()
    nearest = torch.bucketize(share, (ordered[1:] + ordered[:-1]) / 2)
    apart = (share - ordered[nearest]).abs()
    off, miss = ((one / step).nan_to_num(torch.inf) for one in (apart, miss))
    return numbers[nearest], off, miss


def _cells(
    side: Side, own: Tensor, size: tuple[int, ...], merged: int, seen: Coded
) -> tuple[Tensor, tuple[int, ...]] | None:
    """Read the cell of every unit [unit, axis], and the size of the grid; None where a pass says otherwise.

    An axis may be merged as a whole, as pitches are in frames of a sound, where every other cell is a unit.
    """
    whole = merged_size(size, merged)
    cells = torch.zeros(int(own.sum()), len(size), dtype=torch.long)
    left, furthest = list(whole), 0.0
    scales = [scale for scale in seen.scales if scale.tells(merged)]
    if any(scale.axis and not scale.nested for scale in scales):
        # Passes for these units alone tell more than one for all.
        scales = [scale for scale in scales if not scale.nested]
    if not _are_enough(whole, scales):
        return None
    for scale in scales:
        if scale not in side.shares:
            return None
        bases = (
            bases_of(groups_of(size, scale.merged, scale.axis)) if scale.axis < len(size) else []
        )
        if scale.digit >= len(bases):
            # Nothing moves along an axis that the grid does not have.
            if not bool((side.shares[scale][0][own].abs() <= NEAR_TOKEN / 10).all()):
                return None
            continue
        number, off, miss = _read(side, own, size, scale, merged)
        most = float(torch.maximum(off, miss).max())
        if most > NEAR_CELL_OF_ALL:
            if merged > 1 or not scale.axis:
                return None
            left[scale.axis] = 1
        furthest = max(furthest, most if left[scale.axis] > 1 else 0)
        cells[:, scale.axis] += number * (1 if scale.nested else math.prod(bases[: scale.digit]))
    cells *= torch.tensor(left) > 1
    different = _different(cells, left)
    if different == len(cells) == math.prod(left):
        fits = True
    else:
        fits = furthest <= NEAR_CELL and (tuple(left) == whole or different == math.prod(left))
    # Where all cells are one, whatever moves comes from it.
    is_place = (tuple(left) == whole and merged == 1) or math.prod(left[1:]) > 1
    return (cells, tuple(left)) if different and fits and is_place else None


def _are_enough(whole: Sequence[int], scales: Sequence[Scale]) -> bool:
    """Whether there was a pass for every digit along every axis of a grid."""
    is_nested = any(scale.nested for scale in scales)
    needed = {
        (axis, digit)
        for axis, count in enumerate(whole)
        for digit in range(1 if is_nested and axis and count > 1 else len(bases_of(count)))
    }
    return needed <= {(scale.axis, scale.digit) for scale in scales}


def _different(cells: Tensor, size: Sequence[int]) -> int:
    """Count cells that are not the same; 0 where any is outside of the grid."""
    if bool((cells >= torch.tensor(size)).any()):
        return 0
    number = torch.zeros(len(cells), dtype=torch.long)
    for axis, count in enumerate(size):
        number = number * count + cells[:, axis]
    return int((torch.bincount(number) > 0).sum())


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
