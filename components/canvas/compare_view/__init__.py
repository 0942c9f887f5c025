"""Two patterns beside each other and how they differ, cell for cell, under one cursor and one zoom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from components.canvas.shared.payload import flat, module, sendable, style, vendored
from components.session_state import recall
from viz.figures import NOT_ATTENDED, diverging_rgb, hex_rgb, palette_rgb
from viz.figures.compared_media import HUES

# What the third panel is.
CompareMode = Literal["difference", "overlay", "flicker"]

# How colours follow weights: in proportion, or as their square root, which shows small ones.
ColourScale = Literal["linear", "root"]

# What both sides have where they lie over each other, by whether the page is dark.
AGREED = {False: (40, 40, 40), True: (232, 232, 232)}

PANEL = """
  <figure>
    <figcaption><b></b><span></span>{}</figcaption>
    <div class="plot"><canvas aria-hidden="true"></canvas><canvas class="over" aria-hidden="true"></canvas></div>
    <div class="scale"><div class="means"></div><canvas aria-hidden="true"></canvas><div class="ticks"></div></div>
  </figure>"""

FLICKER = """<span class="flicker" hidden><button type="button" class="play">Pause</button>
      <button type="button" class="flip">Flip</button></span>"""

HTML = f"""
<div class="compare">
  <div class="tools" role="toolbar" aria-label="What is seen of both patterns">
    <button type="button" class="out" aria-label="Zoom out">&minus;</button>
    <button type="button" class="in" aria-label="Zoom in">+</button>
    <button type="button" class="fit">Whole</button>
    <button type="button" class="closer" hidden>Look closer</button>
    <button type="button" class="entire" hidden>Back to the whole <span class="noun">text</span></button>
  </div>
  <div class="panels" tabindex="0" role="application" aria-label="Two patterns and how they differ: rows are queries, columns are keys. Arrow keys walk from cell to cell, plus and minus zoom, 0 shows the whole, Enter chooses the row, Escape lets go, Space shows the other side where they flicker.">{PANEL.format("") * 2}{PANEL.format(FLICKER)}
  </div>
  <div class="said" aria-live="polite"></div>
  <div class="legend"><span class="never" hidden><i></i>not attended</span>
    <span class="partner" hidden><i></i>no partner in the other <span class="noun">text</span></span></div>
</div>
"""


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of two sides, on the rows and columns that both have in common.

    Attributes:
        title: what it is: its model, layer, head, text.
        weights: [row, column], from 0 to 1; what has no number is NaN.
        rows: which rows this side has; the others are the other side's alone.
        columns: which columns it has.
        row_labels: text of each row on this side, "" where it has none.
        column_labels: of each column.
        row_positions: where in this side's text each row stands, such as "3" or "3–4"; "" for nowhere.
        column_positions: the same of the columns.
        attended: which cells may have weight at all, [row, column]; None where all may.
    """

    title: str
    weights: NDArray[np.float32]
    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    row_positions: tuple[str, ...]
    column_positions: tuple[str, ...]
    attended: NDArray[np.bool_] | None = None

    def cells(self) -> NDArray[np.float32]:
        """Return the weights: NaN where there is no partner, -inf where none may look."""
        known = self.rows[:, None] & self.columns[None, :]
        cells = np.where(known & np.isfinite(self.weights), self.weights, np.nan)
        if self.attended is not None:
            cells[known & ~self.attended] = -np.inf
        return cells.astype(np.float32)


def compare_view(
    first: ComparedSide,
    second: ComparedSide,
    *,
    mode: CompareMode,
    row: int | None,
    dark: bool,
    key: str,
    palette: str = "cividis",
    scale: ColourScale = "root",
    largest_difference: float | None = None,
    on_row: Callable[[], None] | None = None,
    coarse: bool = False,
    part: bool = False,
    on_closer: Callable[[], None] | None = None,
    noun: str = "text",
) -> int | None:
    """Show two patterns and, as a third, how they differ; answer which row is chosen.

    A cell is how much the row's unit (query) looks at the column's (key); the first two panels share
    one scale. The third is, by `mode`:

    - `difference`: second minus first; blue where the first has more, red where the second has, the
      page's own colour where both have the same.
    - `overlay`: what both have is grey, what the first has more blue, the second orange; all the
      stronger the more weight there is.
    - `flicker`: one and the other in turn, each for half a second; by hand where the system asks for
      little motion.

    Grey cells may not be looked at. Hatched ones have no partner on a side: the unit is there in the
    other side alone, so that nothing can be compared. Pointing at a cell marks its row and column in
    all panels and says the numbers; a click chooses its row, another lets go; wheel, pinch and drag
    move all panels together.

    Args:
        first: what is compared with.
        second: what is compared; rows and columns as of the first.
        mode: what the third panel is.
        row: the row that is chosen.
        dark: whether the page is dark.
        key: of the component; `row` (-1 for none) comes as its trigger, and so does `span`.
        palette: one of `viz.figures.SEQUENTIAL`.
        scale: of the colours; the bars below say which.
        largest_difference: at the ends of the difference's scale; the largest that there is where None.
        on_row: called when a row was chosen or let go.
        coarse: whether rows or columns stand for several units, at which one may look closer.
        part: whether this is a part, from which a button leads back to the whole.
        on_closer: called when one of both is asked for: `span` is the first row in sight, the one after the
            last, and so of the columns; or nothing for the whole.
        noun: what a side is of: a text, a picture, a sound.

    Returns:
        The row that is chosen now; None for none.

    Raises:
        ValueError: the sides have not the same rows and columns, or none.

    Cost: 8 bytes a cell travel to the browser. They stay float32, because of the difference of two half
    floats hardly a digit would be right where they are nearly the same.
    """
    if first.weights.shape != second.weights.shape or not first.weights.size:
        shapes = f"{first.weights.shape} and {second.weights.shape}"
        raise ValueError(
            f"both sides must have the same rows and columns, at least one, not {shapes}"
        )
    component = st.components.v2.component(
        "loupe_compare_view",
        html=HTML,
        css=style("compare_view"),
        js=vendored("d3-zoom") + module("compare_view"),
    )
    # What was chosen just now is what the browser is told, and not the row of before.
    sent = recall(key, {}).get("row")
    wanted = -1 if row is None else row
    wanted = wanted if sent is None else int(sent)
    # A row of an earlier text may be none of this.
    chosen = wanted if 0 <= wanted < len(first.rows) else None
    cells = first.cells(), second.cells()
    labels = _axis(first, second, rows=True), _axis(first, second, rows=False)
    component(
        key=key,
        data={
            "titles": [sendable(first.title), sendable(second.title)],
            "cells": pa.table({"first": cells[0].ravel(), "second": cells[1].ravel()}),
            "rows": labels[0],
            "columns": labels[1],
            "values": _digest(*(one.tobytes() for one in cells)),
            "units": _digest(*(repr(one.to_pydict()).encode() for one in labels)),
            "mode": mode,
            "noun": noun,
            "row": chosen,
            "coarse": coarse,
            "part": part,
            "scale": scale,
            "largest": _largest(*(np.where(np.isfinite(one), one, 0) for one in cells)),
            "difference": largest_difference or _largest(difference_of(*cells)),
            "palette": flat(palette_rgb(palette, dark)),
            "diverging": flat(diverging_rgb(dark)),
            "hues": [list(hex_rgb(hue)) for hue in HUES[dark]],
            "agreed": list(AGREED[dark]),
            "never": list(hex_rgb(NOT_ATTENDED[dark])),
        },
        on_row_change=on_row or _nothing,
        on_span_change=on_closer or _nothing,
    )
    return chosen


def difference_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return second minus first; what may not be looked at counts as 0, and a missing partner is NaN."""
    weight = [np.where(np.isneginf(one), np.float32(0), one) for one in (first, second)]
    difference: NDArray[np.float32] = weight[1] - weight[0]
    return difference


def _largest(*values: NDArray[np.float32]) -> float:
    """Return the largest size among numbers; 1 where all are nothing, so that a scale has an end."""
    return max((float(np.nanmax(np.abs(one), initial=0)) for one in values), default=0.0) or 1.0


def _axis(first: ComparedSide, second: ComparedSide, *, rows: bool) -> pa.Table:
    """Name the units of an axis on both sides, and tell which side has which."""
    names = {}
    for side, one in (("first", first), ("second", second)):
        labels = one.row_labels if rows else one.column_labels
        positions = one.row_positions if rows else one.column_positions
        there = one.rows if rows else one.columns
        names[f"{side}_label"] = pa.array([sendable(label) for label in labels], pa.string())
        names[f"{side}_position"] = pa.array(list(positions), pa.string())
        names[f"{side}_there"] = pa.array(there.astype(np.uint8))
    return pa.table(names)


def _digest(*parts: bytes) -> str:
    """Name what is shown, so that the browser paints anew only what has changed."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _nothing() -> None:
    """Let the component answer what was chosen."""
