"""Two patterns and how they differ, as the browser draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.compare_view import ComparedSide, compare_view
from components.explore_session import is_dark
from components.panels.compare.compare_url import SIDES, view
from components.panels.compare.media_side_inputs import noun_of
from components.panels.compare.zoomed_part import MOST_DRAWN, Part, whole
from components.panels.plain_text import literal
from components.panels.statistic_labels import plural
from viz.compare import Alignment, Comparison
from viz.compare.aligned_units import bare
from viz.figures.display_options import span_words


def draw(
    comparison: Comparison,
    titles: tuple[str, str],
    *,
    key: str,
    row: int = -1,
    part: Part | None = None,
    on_row: Callable[[], None] | None = None,
    on_closer: Callable[[], None] | None = None,
) -> None:
    """Draw two patterns and how they differ, in the mode that is chosen.

    Args:
        comparison: of both.
        titles: of both.
        key: of the canvas.
        row: the common row that is chosen, -1 for none.
        part: what is drawn of them; all by default.
        on_row: called when another row was chosen.
        on_closer: called when a part was chosen to be looked at closer, or the whole again.
    """
    every = whole(comparison)
    part = part or every
    chosen = comparison.part(*(slice(axis.start, axis.stop) for axis in (part.rows, part.columns)))
    drawn = chosen.coarser(MOST_DRAWN)
    weights, attended = drawn.weights(), drawn.attended()
    first, second = (
        _drawn(drawn, which, title, matrix, may)
        for which, title, matrix, may in zip(SIDES, titles, weights, attended, strict=True)
    )
    compare_view(
        first,
        second,
        mode=view().mode,
        row=part.place_of(row),
        dark=is_dark(),
        key=key,
        on_row=on_row,
        coarse=on_closer is not None and _coarse(chosen, drawn),
        part=part != every,
        on_closer=on_closer,
        noun=noun_of(view().second),
    )
    st.caption(_said(comparison, part, chosen, drawn))


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


def _labels(axis: Alignment, which: str) -> tuple[str, ...]:
    """Name units alike on both sides where they read the same, whatever their tokenizers hang on them."""
    labels: tuple[str, ...] = getattr(axis, f"{which}_labels")
    return tuple(
        common if same else bare(label)
        for common, same, label in zip(axis.labels, axis.equal, labels, strict=True)
    )


def _positions(groups: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    return tuple(span_words(group[0], group[-1] + 1) if group else "" for group in groups)


def _coarse(chosen: Comparison, drawn: Comparison) -> bool:
    """Whether units are drawn together."""
    return len(drawn.rows) < len(chosen.rows) or len(drawn.columns) < len(chosen.columns)


def _said(comparison: Comparison, part: Part, chosen: Comparison, drawn: Comparison) -> str:
    """Say what is drawn, and of what.

    Args:
        comparison: of everything.
        part: which is drawn.
        chosen: the same.
        drawn: the same, with neighbours taken together where they are too many.
    """
    rows, kind = comparison.rows, comparison.rows.kind
    parts = [f"{int(rows.paired.sum()):,} of {len(rows):,} common {plural(kind)} have a partner"]
    if part != whole(comparison):
        parts.append(
            f"drawn are rows {_ends(part.rows)} of {len(rows):,} and columns {_ends(part.columns)} of "
            f"{len(comparison.columns):,}, each row's weight exact over all keys"
        )
    groups = zip(rows.first, rows.second, strict=True)
    if any(max(len(one), len(other)) > 1 for one, other in groups):
        parts.append("weights summed over the keys of a common unit, averaged over its queries")
    if _coarse(chosen, drawn):
        parts.append(
            "neighbours drawn together (sums over their keys, means over their queries), "
            f"{len(drawn.rows)} x {len(drawn.columns)} of "
            f"{len(chosen.rows):,} x {len(chosen.columns):,}"
        )
    every, some = (sum(map(len, one.rows.first)) for one in (chosen, drawn))
    if some < every:
        parts.append(f"drawn from {some:,} of {every:,} rows, evenly spaced")
    if comparison.measured < comparison.of:
        parts.append(
            f"the numbers below are of {comparison.measured:,} of {comparison.of:,} rows, evenly spaced"
        )
    return literal("; ".join(parts) + ".")


def _ends(axis: Sequence[int]) -> str:
    return span_words(axis[0], axis[-1] + 1)
