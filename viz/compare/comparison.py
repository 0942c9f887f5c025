"""Two sides laid side by side: their patterns in common units, and how far apart the rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viz.capture.trace import Trace
from viz.compare import divergence
from viz.compare.aligned_units import Alignment, coarser
from viz.compare.compared_side import Aggregate, Head, Side, side_of
from viz.compare.row_sampling import at_least_one, spaced
from viz.compare.unit_alignment import How, Sources, align
from viz.inputs.units import Units

Matrix = NDArray[np.float32]

# Cells of a pattern up to which every row is measured when nobody says otherwise.
MOST_CELLS = 1 << 21

# Cells that are computed to draw a pattern, at most.
DRAWN_CELLS = 1 << 24

# What two rows alone tell; the others must know where they may look, and where columns stand.
MEASURES = {
    "jensen_shannon": divergence.jensen_shannon,
    "total_variation": divergence.total_variation,
    "cosine": divergence.cosine,
}

# All that is said of a row, in the order of a table.
NUMBERS = ("jensen_shannon", "total_variation", "cosine", "rank_correlation", "centre_shift")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two patterns whose rows and columns mean the same.

    Attributes:
        first: what the first side shows.
        second: what the second side shows.
        rows: common units of the queries.
        columns: common units of the keys.
        numbers: one line for each row with a partner that was measured, by its number: what it reads on both
            sides, the Jensen-Shannon divergence (nats), total variation, cosine, rank correlation (of the
            columns that either side looks at), the shift of the centre from first to second (columns with a
            partner), and
            the share of the weight of each side that lies on keys without a partner.
        measured: how many of the rows with a partner those are.
        of: how many rows have a partner.
    """

    first: Side
    second: Side
    rows: Alignment
    columns: Alignment
    numbers: pd.DataFrame
    measured: int
    of: int

    @property
    def overall(self) -> dict[str, float]:
        """Means of the numbers over the rows; NaN where no row has a partner."""
        return {name: float(self.numbers[name].mean()) for name in NUMBERS}

    def weights(
        self, rows: slice | None = None, columns: slice | None = None
    ) -> tuple[Matrix, Matrix]:
        """Return both patterns in common units, or a part of them; 0 where a side has no unit.

        Returns:
            Float32 [common row, common column] of the first side and of the second.

        Cost: rows * keys * d, and rows * columns numbers.
        """
        part = rows or slice(None)
        kept = columns or slice(None)
        return (
            _whole(self.first, self.rows.first[part], self.columns.first)[:, kept],
            _whole(self.second, self.rows.second[part], self.columns.second)[:, kept],
        )

    def attended(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say where each side may look, [common row, common column]; False where it has no unit.

        Of units taken together it is where any of the queries that are drawn may look.
        """
        return (
            self.first.attended(self.rows.first, self.columns.first).numpy(),
            self.second.attended(self.rows.second, self.columns.second).numpy(),
        )

    def difference(self, rows: slice | None = None, columns: slice | None = None) -> Matrix:
        """Return second minus first; NaN where a side has no unit, so that there is no difference."""
        one, other = self.weights(rows, columns)
        there = np.ix_(
            self.rows.paired[rows or slice(None)], self.columns.paired[columns or slice(None)]
        )
        apart: Matrix = np.full_like(one, np.nan)
        apart[there] = (other - one)[there]
        return apart

    def part(self, rows: slice, columns: slice) -> Comparison:
        """Return the same of some rows and columns alone; weights and numbers stay those over all keys."""
        return replace(self, rows=self.rows.part(rows), columns=self.columns.part(columns))

    def coarser(self, most: int, *, cells: int = DRAWN_CELLS) -> Comparison:
        """Return the same with neighbouring units taken together, at most so many along an axis.

        Rows still sum to what they did; the numbers stay those of the finer units. Where all weights are more
        than so many cells, a row is the mean of some of its queries, evenly spaced, both ends among them; each
        of them is exact over all keys.
        """
        rows, columns = coarser(self.rows, most), coarser(self.columns, most)
        each = max(2, cells // max(1, len(self.columns) * len(rows)))
        rows = replace(
            rows,
            first=tuple(tuple(group[n] for n in spaced(len(group), each)) for group in rows.first),
            second=tuple(
                tuple(group[n] for n in spaced(len(group), each)) for group in rows.second
            ),
        )
        return replace(self, rows=rows, columns=columns)


def compare(
    first: Trace,
    second: Trace,
    *,
    layer: int | None = None,
    head: int | None = None,
    heads: Sequence[Head] | None = None,
    stack: str | None = None,
    other_layer: int | None = None,
    other_head: int | None = None,
    other_heads: Sequence[Head] | None = None,
    other_stack: str | None = None,
    aggregate: Aggregate = "mean",
    pairing: Sequence[tuple[str, str]] | None = None,
    words: bool = False,
    how: How = "text",
    rows: int | None = None,
) -> Comparison:
    """Lay two patterns side by side, whatever models, texts, layers and heads they are of.

    Args:
        first: the trace of the first side.
        second: of the second side; may be the same.
        layer: of the first side; None for all layers.
        head: of the first side; None for all heads.
        heads: several (layer, head) instead.
        stack: of the first side by name; the main one by default.
        other_layer: of the second side; as the first side's by default, as do the next three.
        other_head: of the second side.
        other_heads: of the second side.
        other_stack: of the second side.
        aggregate: makes one pattern of several heads: `mean` or `max`.
        pairing: phrases of the first and of the second text that belong together, for two languages.
        words: compare words, where units are parts of them.
        how: units belong together by `text`, or by `position`.
        rows: how many rows to measure, evenly spaced; all where it costs little by default.

    Raises:
        AlignmentError: nothing on one side stands for anything on the other.
        ShapeError: there is no such stack, layer or head.

    Cost: rows * keys * heads for the numbers.
    """
    one = side_of(first, stack=stack, layer=layer, head=head, heads=heads, how=aggregate)
    other = side_of(
        second,
        stack=stack if other_stack is None else other_stack,
        layer=layer if other_layer is None else other_layer,
        head=head if other_head is None else other_head,
        heads=heads
        if (other_layer, other_head, other_heads) == (None, None, None)
        else other_heads,
        how=aggregate,
    )
    aligned = aligned_units(first, second, one, other, pairing=pairing, words=words, how=how)
    return compare_sides(one, other, *aligned, measured=rows)


def aligned_units(
    first: Trace,
    second: Trace,
    one: Side,
    other: Side,
    *,
    pairing: Sequence[tuple[str, str]] | None = None,
    words: bool = False,
    how: How = "text",
) -> tuple[Alignment, Alignment]:
    """Align the queries and the keys of two sides; see `align`."""

    def units(left: Units, right: Units) -> Alignment:
        sources = sources_of(first, left), sources_of(second, right)
        return align(left, right, sources=sources, pairing=pairing, words=words, how=how)

    rows = units(one.stack.queries, other.stack.queries)
    if (one.stack.queries, other.stack.queries) == (one.stack.keys, other.stack.keys):
        return rows, rows
    return rows, units(one.stack.keys, other.stack.keys)


def sources_of(trace: Trace, units: Units) -> Sources:
    """Return the texts that units' spans count in; None where they are not known."""
    if trace.text is None or units != trace.units:
        return None
    return trace.text, trace.pair or ""


def compare_sides(
    first: Side, second: Side, rows: Alignment, columns: Alignment, *, measured: int | None = None
) -> Comparison:
    """Measure how far apart two sides are, whose units are aligned already."""
    paired = np.flatnonzero(rows.paired)
    most = (
        max(1, MOST_CELLS // max(1, len(columns))) if measured is None else at_least_one(measured)
    )
    chosen = paired[spaced(len(paired), most)]
    return Comparison(
        first=first,
        second=second,
        rows=rows,
        columns=columns,
        numbers=_measured(first, second, rows, columns, chosen),
        measured=len(chosen),
        of=len(paired),
    )


def _whole(
    side: Side, queries: tuple[tuple[int, ...], ...], keys: tuple[tuple[int, ...], ...]
) -> Matrix:
    whole = np.zeros((len(queries), len(keys)), dtype=np.float32)
    for part, weights in side.rows(queries, keys):
        whole[part] = weights.cpu().numpy()
    return whole


def _measured(
    first: Side, second: Side, rows: Alignment, columns: Alignment, chosen: NDArray[np.int64]
) -> pd.DataFrame:
    """Measure rows in blocks, so that memory grows with the columns alone."""
    parts: list[dict[str, NDArray[np.float64]]] = []
    size = max(1, MOST_CELLS // max(1, len(columns)))
    for start in range(0, len(chosen), size):
        numbers = chosen[start : start + size]
        one = _whole(first, tuple(rows.first[n] for n in numbers), columns.first)
        other = _whole(second, tuple(rows.second[n] for n in numbers), columns.second)
        lines = {name: measure(one, other) for name, measure in MEASURES.items()}
        lines["rank_correlation"] = divergence.rank_correlation(
            one, other, attended=(one > 0) | (other > 0)
        )
        lines["centre_shift"] = divergence.centre_shift(one, other, places=columns.places)
        lines["first_alone"] = one[:, ~columns.in_second].sum(axis=1, dtype=np.float64)
        lines["second_alone"] = other[:, ~columns.in_first].sum(axis=1, dtype=np.float64)
        parts.append(lines)
    names = [*NUMBERS, "first_alone", "second_alone"]
    return pd.DataFrame(
        {
            "first": [rows.first_labels[n] for n in chosen],
            "second": [rows.second_labels[n] for n in chosen],
            **{
                name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
                for name in names
            },
        },
        index=pd.Index(chosen, name="row"),
    )
