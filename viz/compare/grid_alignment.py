"""Units that are places and no words: patches of pictures, frames of sounds, steps of a series."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from viz.compare.aligned_units import Common
from viz.errors import AlignmentError
from viz.inputs.frame_times import frame_seconds, times_of
from viz.inputs.units import Grid, Units, patch_grid
from viz.patterns.max_pooling import pool_edges

# What else can be compared where two pictures cannot be laid on each other.
INSTEAD = (
    "Compare two heads or layers of one of them, or choose a model that cuts a picture into as many "
    "patches, or twice as many."
)


def by_place(first: Units, second: Units) -> list[Common]:
    """Match patches that cover the same part of a picture, and frames that are heard at the same time.

    Where one side is finer its units are grouped to those of the other. Units that stand before the patches
    match by their names. Frames that have no times are matched by their share of the whole.

    Raises:
        AlignmentError: patches of one side cover parts of several of the other, or nobody knows which.
    """
    grids = patch_grid(first), patch_grid(second)
    if grids[0] is not None and grids[1] is not None:
        _require_divisible(grids[0], grids[1])
        return [
            *_named(first, second, grids[0].before, grids[1].before),
            *_over(grids[0], grids[1]),
        ]
    if first.kind == "patch":
        _require_same_numbers(first, second, grids)
    times = times_of(first), times_of(second)
    if times[0] is not None and times[1] is not None:
        return list(_by_time(first, second, times[0], times[1]))
    return list(_along(len(first), len(second), 0, 0))


def _require_divisible(first: Grid, second: Grid) -> None:
    sizes = zip(first[1:], second[1:], strict=True)
    if any(max(pair) % min(pair) for pair in sizes):
        raise AlignmentError(
            f"The first side's picture is cut into {_size(first)} patches, the second's into "
            f"{_size(second)}, so that a patch of one covers parts of several of the other.",
            INSTEAD,
        )


def _require_same_numbers(
    first: Units, second: Units, grids: tuple[Grid | None, Grid | None]
) -> None:
    """Let patches without places be matched by their numbers alone, where both sides have as many."""
    if grids == (None, None) and len(first) == len(second):
        return
    unknown = " and ".join(
        which for which, grid in zip(("first", "second"), grids, strict=True) if grid is None
    )
    raise AlignmentError(
        f"Where the {unknown} side's patches lie in the picture is not known, so that none can be laid on "
        "another.",
        INSTEAD,
    )


def _size(grid: Grid) -> str:
    return f"{grid.rows} x {grid.columns}"


def _named(first: Units, second: Units, before: int, other_before: int) -> Iterable[Common]:
    """Match what stands before the patches by its name."""
    others = {second.labels[number]: number for number in range(other_before)}
    for number in range(before):
        other = others.pop(first.labels[number], None)
        yield Common((number,), () if other is None else (other,), other is not None)
    for number in others.values():
        yield Common((), (number,), False)


def _by_time(
    first: Units, second: Units, times: NDArray[np.float32], other_times: NDArray[np.float32]
) -> Iterable[Common]:
    """Match each frame of the finer side with that of the other in which its middle is heard."""
    steps = frame_seconds(times), frame_seconds(other_times)
    # Of one frame alone nothing tells how long it is.
    steps = steps[0] or steps[1] or 1.0, steps[1] or steps[0] or 1.0
    counts = len(first), len(second)
    coarse = 0 if steps[0] >= steps[1] else 1
    fine = 1 - coarse
    inside: list[list[int]] = [[] for _ in range(counts[coarse])]
    beyond: list[int] = []
    for number in range(counts[fine]):
        at = int((number + 0.5) * steps[fine] / steps[coarse])
        (inside[at] if at < counts[coarse] else beyond).append(number)
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((place,), tuple(group)) for place, group in enumerate(inside)
    ]
    pairs += [((), (number,)) for number in beyond]
    for own, other in pairs:
        one, two = (own, other) if coarse == 0 else (other, own)
        alike = len(one) == len(two) == 1 and first.labels[one[0]] == second.labels[two[0]]
        yield Common(one, two, alike)


def _along(first: int, second: int, base: int, other_base: int) -> Iterable[Common]:
    count = min(first, second)
    for one, other in zip(_parts(first, count), _parts(second, count), strict=True):
        yield Common(
            tuple(base + n for n in one),
            tuple(other_base + n for n in other),
            len(one) == len(other),
        )


def _over(first: Grid, second: Grid) -> Iterable[Common]:
    rows, columns = min(first.rows, second.rows), min(first.columns, second.columns)
    cut = [
        (grid, _parts(grid.rows, rows), _parts(grid.columns, columns)) for grid in (first, second)
    ]
    for row in range(rows):
        for column in range(columns):
            one, other = (
                tuple(grid.before + r * grid.columns + c for r in down[row] for c in across[column])
                for grid, down, across in cut
            )
            yield Common(one, other, len(one) == len(other))


def _parts(count: int, parts: int) -> list[range]:
    return [range(start, stop) for start, stop in pairwise(pool_edges(count, parts))]
