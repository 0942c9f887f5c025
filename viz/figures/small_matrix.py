"""One matrix as a small picture, to stand beside others of the same size."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.palettes import PAGE, colorscale, diverging_rgb
from viz.figures.pattern_heatmap import LOG_FLOOR, LONGEST_LABEL

# Steps of the palette that a colour scale keeps.
EVERY = 15


def matrix_figure(
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    kind: Literal["weights", "difference"],
    largest: float,
    dark: bool,
    height: int = 360,
    scale: Literal["linear", "log"] = "linear",
) -> go.Figure:
    """Draw a pattern, or how far one lies above (red) or below (blue) another.

    Args:
        values: [query, key].
        rows: names of the queries, shown on hover.
        columns: names of the keys, shown on hover.
        kind: of the palette: from 0 up, or around 0.
        largest: what the end of the colour bar stands for, so that figures side by side agree.
        dark: whether the page is dark.
        height: in pixels.
        scale: of the colours of weights; `log` shows small ones beside a large one, down to 0.0001.
    """
    weights = kind == "weights"
    bar: dict[str, object] = {
        "orientation": "h",
        "thickness": 8,
        "outlinewidth": 0,
        "y": 1.0,
        "yanchor": "bottom",
        "nticks": 5,
        "tickformat": ".2~g",
        # Above each picture, so that those side by side stand at one height.
        "title": {"text": "linear scale", "side": "top"},
    }
    logs = weights and scale == "log"
    shown, least, most = values, 0.0 if weights else -largest, largest
    if logs:
        least, most = np.log10(LOG_FLOOR), max(np.log10(largest), np.log10(LOG_FLOOR) + 1)
        shown = np.log10(np.maximum(values, LOG_FLOOR))
        exponents = range(int(least), int(np.floor(most)) + 1)
        bar |= {
            "title": {"text": "log scale", "side": "top"},
            "tickvals": list(exponents),
            "ticktext": [f"{10.0**exponent:g}" for exponent in exponents],
        }
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=_names(columns),
            y=_names(rows),
            customdata=values if logs else None,
            hovertemplate=f"%{{y}} → %{{x}}<br>%{{{'customdata' if logs else 'z'}:.3g}}<extra></extra>",
            colorscale=colorscale("cividis", dark) if weights else diverging_scale(dark),
            zmin=least,
            zmax=most,
            colorbar=bar,
        )
    )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    hidden |= {"type": "category"}
    figure.update_xaxes(**hidden)
    # As a title of an axis without names Plotly would write it over the cells.
    figure.add_annotation(
        text="key (attended to)",
        x=0.5,
        y=0.0,
        xref="paper",
        yref="paper",
        yanchor="top",
        showarrow=False,
    )
    figure.update_yaxes(title_text="query (attends)", autorange="reversed", **hidden)
    figure.update_layout(
        height=height,
        margin={"l": 32, "r": 8, "t": 56, "b": 32, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#e6ebf0" if dark else "#1b2430", "size": 12},
    )
    return figure


def hover_names(rows: Sequence[str], columns: Sequence[str]) -> list[list[str]]:
    """Name each cell by its query and its key."""
    return [
        [f"{plain(row)} ({r}) → {plain(column)} ({c})" for c, column in enumerate(columns)]
        for r, row in enumerate(rows)
    ]


def _names(labels: Sequence[str]) -> list[str]:
    """Name rows or columns so that no two are alike, which Plotly needs of categories."""
    return [f"{plain(label)} ({place})" for place, label in enumerate(labels)]


def diverging_scale(dark: bool) -> list[list[float | str]]:
    """Return the palette of differences as a Plotly colour scale."""
    colours = diverging_rgb(dark)
    last = len(colours) - 1
    scale: list[list[float | str]] = [
        [place / last, "rgb({},{},{})".format(*colours[place])]
        for place in range(0, last + 1, EVERY)
    ]
    # No step falls on the middle, and no difference is the page's own colour.
    scale.insert(len(scale) // 2, [0.5, "rgb({},{},{})".format(*PAGE[dark])])
    return scale


def plain(label: str) -> str:
    """Cut a token, and make Plotly show its angle brackets instead of reading them as markup."""
    short = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
    return html.escape(short, quote=False)
