"""One number a head, layers down and heads across."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.palettes import colorscale


def statistic_figure(
    values: NDArray[np.float32],
    name: str,
    *,
    selected: tuple[int, int],
    dark: bool,
    palette: str = "cividis",
) -> go.Figure:
    """Draw a statistic of every head; the selected head is outlined.

    Args:
        values: [layer, head]; NaN where a layer has fewer heads.
        name: of the statistic, with its unit.
        selected: layer and head.
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
            hovertemplate=f"layer %{{y}}, head %{{x}}<br>{name} %{{z:.3g}}<extra></extra>",
            colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": name, "side": "right"}},
        )
    )
    layer, head = selected
    ink = "#e6ebf0" if dark else "#1b2430"
    figure.add_shape(
        type="rect",
        x0=head - 0.5,
        x1=head + 0.5,
        y0=layer - 0.5,
        y1=layer + 0.5,
        line={"color": "#d55e00", "width": 3},
    )
    figure.update_xaxes(
        title_text="head", dtick=1 if heads <= 16 else 4, showgrid=False, zeroline=False
    )
    figure.update_yaxes(
        title_text="layer",
        autorange="reversed",
        dtick=1 if layers <= 12 else 4,
        showgrid=False,
        zeroline=False,
    )
    figure.update_layout(
        height=max(220, min(520, 60 + 26 * layers)),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 12},
    )
    return figure
