"""Two patterns against each other: where the second side looks more, and where less."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from viz.compare import Comparison
from viz.figures.pattern_heatmap import MOST_LABELS
from viz.figures.small_matrix import diverging_scale, hover_names, matrix_figure, plain
from viz.figures.undefined_cells import LEGEND, Cells, absent_traces, masked_cells, with_legend

# Common units along an axis; more are taken together, as screens have no pixels for them.
MOST_UNITS = 256

# The same of one picture among several.
MOST_SMALL = 96

# Names of more cells than this weigh more than the picture.
MOST_NAMED = 20_000

# What differences are drawn against at least, so that what rounding leaves of nothing stays pale.
LEAST_DIFFERENCE = 1e-6

# Of a small picture with its title, of the titles of the first row, and of the bar above all, in pixels.
SMALL, TITLES, BAR = 220, 40, 64

# Characters of a line of a title, by how many pictures stand beside each other, and lines of it.
TITLE_WIDTH = {1: 40, 2: 20, 3: 14}
TITLE_LINES = 2

MEANING = "first looks more ← → second looks more"

FRAME = {False: "#c3cad2", True: "#414c59"}
INK = {False: "#1b2430", True: "#e6ebf0"}

Matrix = NDArray[np.float32]


def difference_figure(
    comparison: Comparison, *, dark: bool = False, height: int = 520
) -> go.Figure:
    """Draw where the second side looks more (red) and less (blue) than the first.

    Grey cells may be looked at on neither side; hatched ones are of units without a partner. More units than a
    screen has room for are taken together.

    Args:
        comparison: from `viz.compare`.
        dark: whether the page is dark.
        height: in pixels.
    """
    shown = comparison.coarser(MOST_UNITS)
    values, masked = _values(shown)
    rows, columns = shown.rows.labels, shown.columns.labels
    figure = matrix_figure(
        values,
        rows,
        columns,
        kind="difference",
        largest=_largest([values]),
        dark=dark,
        height=height,
    )
    named = values.size <= MOST_NAMED
    names = hover_names(rows, columns) if named else None
    # Places and no names along the axes, so that a second picture can lie over this one.
    figure.update_traces(
        x=None,
        y=None,
        text=names,
        hovertemplate=f"{'%{text}' if named else '%{y} → %{x}'}<br>%{{z:.3g}}<extra></extra>",
        hoverongaps=False,
    )
    figure.data[0].colorbar.title = {"text": MEANING, "side": "top"}
    figure.add_traces(absent_traces(shown, masked, names, dark=dark))
    top = BAR + (LEGEND if with_legend(figure) else 0)
    # Hatching lies between places, which categories do not have.
    figure.update_yaxes(type="linear", **_named(rows))
    figure.update_xaxes(type="linear", **_named(columns), tickangle=-60)
    if len(columns) <= MOST_LABELS:
        # Below labels Plotly finds the place by itself.
        figure.layout.annotations = ()
        figure.update_xaxes(title_text="key (attended to)")
    return figure.update_layout(margin={"l": 28, "t": top, "b": 34, "autoexpand": True})


def multiples_figure(
    comparisons: Sequence[Comparison],
    titles: Sequence[str],
    *,
    dark: bool = False,
    columns: int = 3,
) -> go.Figure:
    """Draw several differences as small pictures with one scale of colours; see `difference_figure`.

    Args:
        comparisons: from `viz.compare`, such as a base text with each of its variants.
        titles: of each.
        dark: whether the page is dark.
        columns: how many stand beside each other, at most 3.
    """
    across = max(1, min(columns, len(comparisons), max(TITLE_WIDTH)))
    down = max(1, ceil(len(comparisons) / across))
    figure = make_subplots(
        rows=down,
        cols=across,
        subplot_titles=[_title(title, across) for title in titles],
        horizontal_spacing=0.04,
        vertical_spacing=min(0.4, 54 / (down * SMALL)),
    )
    small = [comparison.coarser(MOST_SMALL) for comparison in comparisons]
    drawn = [_values(one) for one in small]
    for number, (one, (values, masked)) in enumerate(zip(small, drawn, strict=True)):
        place = {"row": number // across + 1, "col": number % across + 1}
        names = hover_names(one.rows.labels, one.columns.labels)
        figure.add_trace(_difference(values, names), **place)
        for trace in absent_traces(one, masked, names, dark=dark):
            figure.add_trace(trace, **place)
    hidden: dict[str, Any] = {
        "showticklabels": False,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }
    figure.update_xaxes(**hidden, showline=True, mirror=True, linecolor=FRAME[dark])
    figure.update_yaxes(
        **hidden, autorange="reversed", showline=True, mirror=True, linecolor=FRAME[dark]
    )
    # A page's own theme sets titles so low that the frames cross them.
    figure.update_annotations(font_size=12, yshift=6)
    largest = _largest([values for values, _ in drawn])
    top = TITLES + BAR + (LEGEND if with_legend(figure) else 0)
    return figure.update_layout(
        height=down * SMALL + top,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        coloraxis={
            "colorscale": diverging_scale(dark),
            "cmin": -largest,
            "cmax": largest,
            "colorbar": {
                "orientation": "h",
                "thickness": 8,
                "outlinewidth": 0,
                "y": 1 + TITLES / (down * SMALL - 8),
                "yanchor": "bottom",
                "nticks": 5,
                "tickformat": ".2~g",
                "title": {"text": MEANING, "side": "top"},
            },
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 12},
    )


def _difference(values: Matrix, names: list[list[str]]) -> go.Heatmap:
    return go.Heatmap(
        z=values,
        text=names,
        hovertemplate="%{text}<br>%{z:.3g}<extra></extra>",
        hoverongaps=False,
        coloraxis="coloraxis",
    )


def _values(shown: Comparison) -> tuple[Matrix, Cells]:
    """Return the difference, NaN where there is no number, and which cells neither side may look at."""
    masked = masked_cells(shown)
    return np.where(masked, np.float32("nan"), shown.difference()), masked


def _named(labels: Sequence[str]) -> dict[str, Any]:
    """Name the units of an axis where there is room for it."""
    if len(labels) > MOST_LABELS:
        return {}
    return {
        "showticklabels": True,
        "tickvals": list(range(len(labels))),
        "ticktext": [plain(label) for label in labels],
        "automargin": True,
    }


def _largest(differences: Sequence[Matrix]) -> float:
    """Return the largest |difference|, which both ends of the bar stand for."""
    most = [np.nanmax(np.abs(one), initial=0.0) for one in differences]
    return max(LEAST_DIFFERENCE, *map(float, most))


def _title(title: str, across: int) -> str:
    """Break a title into lines that fit above their picture."""
    lines = textwrap.wrap(title, TITLE_WIDTH[across], max_lines=TITLE_LINES, placeholder=" …")
    return "<br>".join(map(plain, lines))
