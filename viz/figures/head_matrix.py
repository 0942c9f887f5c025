"""One number a head, layers down and heads across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.palettes import OKABE_ITO, colorscale
from viz.figures.pattern_heatmap import NOT_ATTENDED


def statistic_figure(
    values: NDArray[np.float32],
    name: str,
    *,
    selected: Sequence[tuple[int, int]],
    dark: bool,
    palette: str = "cividis",
) -> go.Figure:
    """Draw a statistic of every head; the selected heads are outlined.

    Args:
        values: [layer, head]; NaN where a layer has fewer heads.
        name: of the statistic, with its unit.
        selected: (layer, head), the first first; outlined in the colours of `OKABE_ITO`, in this order.
        dark: whether the page is dark.
        palette: one of `viz.figures.palettes.SEQUENTIAL`.
    """
    layers, heads = values.shape
    figure = go.Figure(
        go.Heatmap(
            z=values,
            colorscale=colorscale(palette, dark),
            zmin=0,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            colorbar={
                "orientation": "h",
                "thickness": 10,
                "outlinewidth": 0,
                "y": 1.0,
                "yanchor": "bottom",
                "title": {"text": name, "side": "top"},
            },
        )
    )
    # A heatmap's cells cannot be clicked in Streamlit; markers that nobody sees can.
    down, across = np.nonzero(np.isfinite(values))
    figure.add_trace(
        go.Scatter(
            x=across,
            y=down,
            mode="markers",
            marker={"symbol": "square", "size": 24, "opacity": 0},
            unselected={"marker": {"opacity": 0}},
            selected={"marker": {"opacity": 0}},
            customdata=values[down, across],
            hovertemplate=f"layer %{{y}}, head %{{x}}<br>{name} %{{customdata:.3g}}<extra></extra>",
            showlegend=False,
        )
    )
    page, ink = ("#10151c", "#e6ebf0") if dark else ("#ffffff", "#1b2430")
    outlines = list(zip(selected, OKABE_ITO, strict=False))
    # The first lies on top of its neighbours.
    for (layer, head), colour in reversed(outlines):
        # A line around keeps an outline apart from cells of its own hue; that of the first is ink.
        around = ink if (layer, head) == tuple(selected[0]) else page
        for line in ({"color": around, "width": 6}, {"color": colour, "width": 3}):
            figure.add_shape(
                type="rect",
                x0=head - 0.5,
                x1=head + 0.5,
                y0=layer - 0.5,
                y1=layer + 0.5,
                line=line,
            )
    figure.update_xaxes(
        title_text="head",
        title_standoff=22,
        range=[-0.5, heads - 0.5],
        dtick=1 if heads <= 16 else 4,
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        title_text="layer",
        range=[layers - 0.5, -0.5],
        dtick=1 if layers <= 12 else 4,
        showgrid=False,
        zeroline=False,
    )
    figure.update_layout(
        height=max(300, min(620, 150 + 26 * layers)),
        margin={"l": 8, "r": 8, "t": 8, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        # Where nothing is drawn, because there is no such head or it is not drawn yet, is no lowest value.
        plot_bgcolor=NOT_ATTENDED[dark],
        font={"color": ink, "size": 12},
    )
    return figure
