"""Shares of weight of one head: each beside chance, and beside either half of what it was measured on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from viz.figures.palettes import OKABE_ITO

INK = {False: "#1b2430", True: "#e6ebf0"}
FAINT = {False: "#6b7682", True: "#93a0ad"}
GRID = {False: "#dfe4e9", True: "#2b3542"}

# Of a row, and of what lies around all of them, in pixels.
ROW, AROUND = 24, 64

# What the axis goes up to at least, so that shares of nothing look like nothing.
LEAST = 0.1


def score_dots_figure(scores: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Draw shares of weight: a dot for the share, a line between both halves, a mark where chance would be.

    Args:
        scores: title, value, chance, first_half, second_half; a row each, NaN where there is none.
        dark: whether the page is dark.
    """
    titles = scores["title"].tolist()
    halves_x: list[float | None] = []
    halves_y: list[str | None] = []
    for title, first, second in zip(
        titles, scores["first_half"], scores["second_half"], strict=True
    ):
        halves_x += [first, second, None]
        halves_y += [title, title, None]
    numbers = scores[["value", "chance", "first_half", "second_half"]].to_numpy(float)
    most = max(LEAST, float(np.nanmax(numbers, initial=0)))
    blue = OKABE_ITO[5] if dark else OKABE_ITO[0]
    figure = go.Figure(
        [
            go.Scatter(
                x=halves_x,
                y=halves_y,
                mode="lines+markers",
                name="halves of the texts",
                line={"color": blue, "width": 3},
                marker={"symbol": "line-ns", "size": 10, "line": {"color": blue, "width": 2}},
                hovertemplate="%{y}<br>%{x:.1%} in one half<extra></extra>",
            ),
            go.Scatter(
                x=scores["chance"],
                y=titles,
                mode="markers",
                name="by chance",
                marker={
                    "symbol": "diamond-open",
                    "size": 9,
                    "color": FAINT[dark],
                    "line": {"color": FAINT[dark], "width": 2},
                },
                hovertemplate="%{y}<br>%{x:.1%} by chance<extra></extra>",
            ),
            go.Scatter(
                x=scores["value"],
                y=titles,
                mode="markers",
                name="this head",
                marker={"size": 10, "color": blue},
                hovertemplate="%{y}<br>%{x:.1%} of the weight<extra></extra>",
            ),
        ]
    )
    figure.update_xaxes(
        title_text="share of the head's weight",
        tickformat=".0%",
        # Room for half of a mark on either side.
        range=[-0.03 * most, 1.06 * most],
        gridcolor=GRID[dark],
        zeroline=False,
        nticks=5,
        tickangle=0,
    )
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=titles[::-1],
        range=[-0.6, len(titles) - 0.4],
        gridcolor=GRID[dark],
        automargin=True,
    )
    return figure.update_layout(
        height=AROUND + ROW * len(titles),
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 12},
    )
