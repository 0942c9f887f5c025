"""Cells of a difference that have no number: those that nobody may look at, and those without a partner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.compare import Comparison
from viz.figures.palettes import PAGE, hex_rgb
from viz.figures.pattern_heatmap import NOT_ATTENDED

MASKED, ALONE = "not attended", "no partner on the other side"

# Lines across what has no partner, by whether the page is dark.
HATCH = {False: "rgba(27,36,48,0.3)", True: "rgba(230,235,240,0.3)"}

# Pixels from line to line, and the share of them that is line.
HATCH_SIZE, HATCH_SOLIDITY = 6, 0.16

# Pixels above all else that the legend takes.
LEGEND = 26

Cells = NDArray[np.bool_]


def masked_cells(comparison: Comparison) -> Cells:
    """Return which cells with a partner may be looked at on neither side, [row, column]."""
    first, second = comparison.attended()
    return _paired(comparison) & ~first & ~second


def absent_traces(
    comparison: Comparison, masked: Cells, names: list[list[str]] | None, *, dark: bool
) -> list[go.Heatmap | go.Scatter]:
    """Draw what has no number: grey where nobody may look, hatched where there is no partner.

    Args:
        comparison: in the units that are drawn; they stand at 0, 1, 2, ... along both axes.
        masked: from `masked_cells`.
        names: of the cells, for hovering; their places where None.
        dark: whether the page is dark.

    Returns:
        Traces to lay over a difference; only of the kinds that there are.
    """
    alone = ~_paired(comparison)
    traces: list[go.Heatmap | go.Scatter] = []
    if masked.any():
        words = "neither side may look here"
        grey = _filled(masked, names, words, NOT_ATTENDED[dark])
        traces.append(grey.update(name=MASKED, legendgroup=MASKED, showlegend=True))
    if alone.any():
        traces.append(_filled(alone, names, ALONE, _paler(dark)))
        traces.append(_hatching(comparison, dark))
    return traces


def with_legend(figure: go.Figure) -> bool:
    """Name each kind of cell without a number once above the figure; answer whether there is any."""
    named = set()
    for trace in figure.data:
        if trace.legendgroup:
            trace.showlegend = trace.legendgroup not in named
            named.add(trace.legendgroup)
    figure.update_layout(
        legend={
            "orientation": "h",
            "xanchor": "left",
            "x": 0,
            "yref": "container",
            "yanchor": "top",
            "y": 1,
            "itemclick": False,
            "itemdoubleclick": False,
        },
        showlegend=bool(named),
    )
    return bool(named)


def _paired(comparison: Comparison) -> Cells:
    paired: Cells = comparison.rows.paired[:, None] & comparison.columns.paired[None, :]
    return paired


def _paler(dark: bool) -> str:
    """Return a grey between that of what may not be looked at and the page."""
    never = hex_rgb(NOT_ATTENDED[dark])
    mixed = [(part + page) // 2 for part, page in zip(never, PAGE[dark], strict=True)]
    return "rgb({},{},{})".format(*mixed)


def _filled(cells: Cells, names: list[list[str]] | None, words: str, colour: str) -> go.Heatmap:
    return go.Heatmap(
        z=np.where(cells, np.float32(0), np.float32("nan")),
        text=names,
        hovertemplate=f"{'%{text}' if names else '%{y} → %{x}'}<br>{words}<extra></extra>",
        hoverongaps=False,
        colorscale=[[0.0, colour], [1.0, colour]],
        showscale=False,
    )


def _hatching(comparison: Comparison, dark: bool) -> go.Scatter:
    """Draw lines across the rows and the columns that one side alone has."""
    columns = len(comparison.columns)
    x: list[float | None] = []
    y: list[float | None] = []
    boxes = [(0, columns, *run) for run in _runs(~comparison.rows.paired)]
    # Columns end where those rows lie, so that nothing is filled twice.
    boxes += [
        (*across, *down)
        for across in _runs(~comparison.columns.paired)
        for down in _runs(comparison.rows.paired)
    ]
    for left, right, top, bottom in boxes:
        x += [left - 0.5, right - 0.5, right - 0.5, left - 0.5, None]
        y += [top - 0.5, top - 0.5, bottom - 0.5, bottom - 0.5, None]
    pattern: dict[str, Any] = {
        "shape": "/",
        "size": HATCH_SIZE,
        "solidity": HATCH_SOLIDITY,
        "fgcolor": HATCH[dark],
        "bgcolor": _paler(dark),
    }
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillpattern=pattern,
        hoverinfo="skip",
        name=ALONE,
        legendgroup=ALONE,
        showlegend=True,
    )


def _runs(flags: Sequence[bool] | Cells) -> Iterator[tuple[int, int]]:
    """Walk through the runs of what is true, as (first, behind the last)."""
    edges = np.flatnonzero(np.diff([False, *flags, False]))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
