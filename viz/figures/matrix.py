"""One matrix as a small picture, to stand beside others of the same size."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.palettes import colorscale, diverging_rgb
from viz.figures.pattern import LONGEST_LABEL

# Names of more cells than this weigh more than the picture.
MOST_NAMED = 20_000

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
    height: int = 380,
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
    """
    weights = kind == "weights"
    named = values.size <= MOST_NAMED
    names = [
        [f"{_plain(row)} ({r}) → {_plain(column)} ({c})" for c, column in enumerate(columns)]
        for r, row in enumerate(rows if named else ())
    ]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            text=names if named else None,
            hovertemplate=f"{'%{text}' if named else '%{y} → %{x}'}<br>%{{z:.3g}}<extra></extra>",
            colorscale=colorscale("cividis", dark) if weights else _diverging(dark),
            zmin=0.0 if weights else -largest,
            zmax=largest,
            colorbar={
                "orientation": "h",
                "thickness": 8,
                "outlinewidth": 0,
                "y": 1.0,
                "yanchor": "bottom",
                "nticks": 5,
                "tickformat": ".2~g",
            },
        )
    )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(title_text="looked at (key)", **hidden)
    figure.update_yaxes(title_text="looks from (query)", autorange="reversed", **hidden)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#e6ebf0" if dark else "#1b2430", "size": 12},
    )
    return figure


def _diverging(dark: bool) -> list[list[float | str]]:
    colours = diverging_rgb(dark)
    last = len(colours) - 1
    return [
        [place / last, "rgb({},{},{})".format(*colours[place])]
        for place in range(0, last + 1, EVERY)
    ]


def _plain(label: str) -> str:
    """Cut a token, and make Plotly show its angle brackets instead of reading them as markup."""
    short = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
    return html.escape(short, quote=False)
