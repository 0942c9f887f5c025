"""Units that are places and no words: patches of pictures, frames of sounds, steps of a series."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from viz.compare.alignment import Common
from viz.models.tokens import Grid, Units, patch_grid
from viz.patterns.pooling import pool_edges


def by_place(first: Units, second: Units) -> list[Common]:
    """Match patches that cover the same part of a picture, and frames the same part of a sound.

    Where one side is finer its units are grouped to those of the other; sides whose numbers do not divide are
    grouped as evenly as can be. Units that stand before the patches match by their names.
    """
    grids = patch_grid(first), patch_grid(second)
    if grids[0] is None or grids[1] is None:
        return list(_along(len(first), len(second), 0, 0))
    before = min(grids[0].before, grids[1].before)
    common = [Common((number,), (number,), True) for number in range(before)]
    common += [Common((number,), (), False) for number in range(before, grids[0].before)]
    common += [Common((), (number,), False) for number in range(before, grids[1].before)]
    return common + list(_over(grids[0], grids[1]))


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
