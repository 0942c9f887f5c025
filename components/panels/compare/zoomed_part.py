"""The part of a long comparison that is looked at closer, and which of its units are drawn together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from viz.compare import Comparison
from viz.patterns.max_pooling import pool_edges

# Common units along an axis up to which each is drawn; of more, neighbours are drawn together.
MOST_DRAWN = 512


@dataclass(frozen=True, slots=True)
class Part:
    """Common rows and columns that are drawn; of more than `MOST_DRAWN`, neighbours together."""

    rows: range
    columns: range

    def row_at(self, place: int) -> int:
        """Return the common row that is drawn at a place, of rows drawn together the first; -1 for none."""
        return -1 if place < 0 else _starts(self.rows)[place]

    def place_of(self, row: int) -> int | None:
        """Return where a common row is drawn, by itself or together with its neighbours."""
        return bisect_right(_starts(self.rows), row) - 1 if row in self.rows else None

    def closer(self, seen: Sequence[int]) -> Part:
        """Return the part that lies between places: the first row, after the last, and so of the columns."""
        rows, columns = (
            range(edges[start], edges[stop])
            for edges, (start, stop) in (
                (_edges(self.rows), seen[:2]),
                (_edges(self.columns), seen[2:]),
            )
        )
        return Part(rows, columns)

    def around(self, row: int, every: Part) -> Part:
        """Return a part of the same size that has a row in it; along the diagonal it keeps to it."""
        if row in self.rows:
            return self
        rows = _around(row, len(self.rows), every.rows)
        along = self.columns == self.rows and every.columns == every.rows
        return Part(rows, rows if along else self.columns)

    def written(self) -> str:
        """Write it as `CompareView.span` holds it."""
        return ",".join(f"{axis.start}-{axis.stop}" for axis in (self.rows, self.columns))


def whole(comparison: Comparison) -> Part:
    """Return all rows and columns."""
    return Part(range(len(comparison.rows)), range(len(comparison.columns)))


def part_of(comparison: Comparison, span: str) -> Part:
    """Return the part that a span names; the whole where it names none that there is."""
    every = whole(comparison)
    if not span:
        return every
    ends = [tuple(map(int, axis.split("-"))) for axis in span.split(",")]
    rows, columns = (
        range(start, min(stop, most.stop))
        for (start, stop), most in zip(ends, (every.rows, every.columns), strict=True)
    )
    return Part(rows, columns) if rows and columns else every


def _around(place: int, size: int, every: range) -> range:
    start = min(max(place - size // 2, every.start), every.stop - size)
    return range(start, start + size)


def _edges(axis: range) -> list[int]:
    return [axis.start + edge for edge in pool_edges(len(axis), MOST_DRAWN)]


def _starts(axis: range) -> list[int]:
    return _edges(axis)[:-1]
