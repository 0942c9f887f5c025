"""A step of a computation as small matrices, every number in sight, linked by what made what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.shared.payload import flat, module, sendable, style
from viz.figures import diverging_rgb, palette_rgb

# How the last matrix is made of those before it; hovering marks what belongs together.
Link = Literal["product", "sum", "scale", "mask", "softmax", "join", "none"]

HTML = (
    '<div class="matrices"><div class="row"></div>'
    '<div class="said" aria-live="polite" dir="auto"></div></div>'
)


@dataclass(frozen=True, slots=True)
class Grid:
    """One matrix and what its rows and columns are called.

    Attributes:
        name: of the matrix, as in formulas.
        values: [row, column]; -inf is a place that may not be looked at.
        rows: names of the rows.
        columns: names of the columns; none are shown where it is None.
        weights: whether these are weights from 0 to 1, and not numbers of either sign.
        group: after how many columns a line stands, as between heads; 0 for none.
        attended: where a query may look, [row, column]; other cells are grey.
    """

    name: str
    values: NDArray[np.float64]
    rows: Sequence[str]
    columns: Sequence[str] | None = None
    weights: bool = False
    group: int = 0
    attended: NDArray[np.bool_] | None = None


def matrices(
    grids: Sequence[Grid],
    signs: Sequence[str],
    *,
    link: Link,
    words: str = "",
    first: int = 0,
    largest: float | None = None,
    dark: bool,
    key: str,
) -> None:
    """Show matrices beside each other, with signs between them.

    A cell is the bluer the further below 0 its number lies, the redder the further above; weights
    rise from the page's own colour. Hovering a cell, or walking to it with the arrow keys, marks the
    row and the column that made it, and says the sum with its numbers.

    Args:
        grids: the last is made of those before it.
        signs: what stands between them, one fewer than there are grids.
        link: how it is made of them.
        words: how the factor is written, where `link` is `scale`.
        first: what rows and columns without a name of their own are counted from.
        largest: what the deepest red stands for, so that views side by side agree; the largest number
            of these by default.
        dark: whether the page is dark.
        key: of the component.
    """
    component = st.components.v2.component(
        "loupe_matrices", html=HTML, css=style("matrices"), js=module("matrices")
    )
    largest = largest_of(grids) if largest is None else largest
    component(
        key=key,
        data={
            "grids": [_packed(grid) for grid in grids],
            "signs": list(signs),
            "link": link,
            "words": words,
            "first": first,
            "largest": largest or 1.0,
            "signed": flat(diverging_rgb(dark)),
            "weights": flat(palette_rgb("cividis", dark)),
        },
    )


def largest_of(grids: Sequence[Grid]) -> float:
    """Return the largest size of a number of either sign; 1 where there are only weights."""
    signed = [np.abs(grid.values[np.isfinite(grid.values)]) for grid in grids if not grid.weights]
    return max((float(one.max()) for one in signed if one.size), default=1.0)


def _packed(grid: Grid) -> dict[str, object]:
    # JSON knows no infinity, and these are a hundred numbers at most.
    cells = [[float(one) if np.isfinite(one) else None for one in row] for row in grid.values]
    return {
        "name": grid.name,
        "rows": [sendable(label) for label in grid.rows],
        "columns": None if grid.columns is None else [sendable(label) for label in grid.columns],
        "cells": cells,
        "weights": grid.weights,
        "group": grid.group,
        "attended": None if grid.attended is None else grid.attended.tolist(),
    }
