"""Two patterns and how they differ, as the browser draws them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.compare_view import ComparedSide, compare_view
from components.panels.compare.place import SIDES, view
from components.panels.literal import literal
from components.session import is_dark
from viz.compare import Alignment, Comparison
from viz.compare.alignment import bare
from viz.figures.display import span_words
from viz.patterns.pooling import pool_edges

# Common units along an axis up to which each is drawn; of more, neighbours are drawn together.
MOST_DRAWN = 512


def draw(
    comparison: Comparison,
    titles: tuple[str, str],
    *,
    key: str,
    row: int = -1,
    on_row: Callable[[], None] | None = None,
) -> None:
    """Draw two patterns and how they differ, in the mode that is chosen."""
    drawn = comparison.coarser(MOST_DRAWN)
    weights, attended = drawn.weights(), drawn.attended()
    first, second = (
        _drawn(drawn, which, title, matrix, may)
        for which, title, matrix, may in zip(SIDES, titles, weights, attended, strict=True)
    )
    compare_view(
        first,
        second,
        mode=view().mode,
        row=drawn_row(row, len(comparison.rows)),
        dark=is_dark(),
        key=key,
        on_row=on_row,
    )
    st.caption(_said(comparison, drawn))


def _drawn(
    drawn: Comparison,
    which: str,
    title: str,
    weights: NDArray[np.float32],
    attended: NDArray[np.bool_],
) -> ComparedSide:
    """Describe one side to the canvas."""
    axes = drawn.rows, drawn.columns
    rows, columns = (getattr(axis, f"in_{which}") for axis in axes)
    row_labels, column_labels = (_labels(axis, which) for axis in axes)
    row_positions, column_positions = (_positions(getattr(axis, which)) for axis in axes)
    return ComparedSide(
        title=title,
        weights=weights,
        rows=rows,
        columns=columns,
        row_labels=row_labels,
        column_labels=column_labels,
        row_positions=row_positions,
        column_positions=column_positions,
        attended=None if attended[np.ix_(rows, columns)].all() else attended,
    )


def common_row(place: int, rows: int) -> int:
    """Return the common row that is drawn at a place, of rows drawn together the first; -1 for none."""
    return -1 if place < 0 else pool_edges(rows, MOST_DRAWN)[place]


def drawn_row(row: int, rows: int) -> int | None:
    """Return where a common row is drawn, by itself or together with its neighbours."""
    if not 0 <= row < rows:
        return None
    return bisect_right(pool_edges(rows, MOST_DRAWN), row) - 1


def _labels(axis: Alignment, which: str) -> tuple[str, ...]:
    """Name units alike on both sides where they read the same, whatever their tokenizers hang on them."""
    labels: tuple[str, ...] = getattr(axis, f"{which}_labels")
    return tuple(
        common if same else bare(label)
        for common, same, label in zip(axis.labels, axis.equal, labels, strict=True)
    )


def _positions(groups: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    return tuple(span_words(group[0], group[-1] + 1) if group else "" for group in groups)


def _said(comparison: Comparison, drawn: Comparison) -> str:
    rows, kind = comparison.rows, comparison.rows.kind
    parts = [f"{int(rows.paired.sum()):,} of {len(rows):,} common {kind}s have a partner"]
    groups = zip(rows.first, rows.second, strict=True)
    if any(max(len(one), len(other)) > 1 for one, other in groups):
        parts.append("weights summed over the keys of a common unit, averaged over its queries")
    if len(drawn.rows) < len(rows) or len(drawn.columns) < len(comparison.columns):
        parts.append(
            f"neighbours drawn together, {len(drawn.rows)} x {len(drawn.columns)} of "
            f"{len(rows):,} x {len(comparison.columns):,}"
        )
    whole, some = (sum(map(len, one.rows.first)) for one in (comparison, drawn))
    if some < whole:
        parts.append(f"drawn from {some:,} of {whole:,} rows, evenly spaced")
    if comparison.measured < comparison.of:
        parts.append(f"numbers of {comparison.measured:,} rows, evenly spaced")
    return literal("; ".join(parts) + ".")
