"""What is left of a prediction as heads are silenced, and as they are let in, method by method."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.figures.palettes import OKABE_ITO

RANDOM = "Random"
KINDS = {"deletion": "heads silenced", "insertion": "heads let in"}


def order_curves_figure(
    curves: pd.DataFrame, *, unit: str = "logits", dark: bool = False
) -> go.Figure:
    """Draw deletion and insertion, the latter below; random orders as a band of one standard deviation.

    Args:
        curves: of `viz.effects.OrderCurves`, methods by the names that are shown.
        unit: of the prediction.
        dark: whether the page is dark.
    """
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2)
    ink = "rgba(255,255,255,0.18)" if dark else "rgba(0,0,0,0.14)"
    for row, (kind, words) in enumerate(KINDS.items(), start=1):
        own = curves[curves["kind"] == kind]
        chance = own[own["method"] == RANDOM].groupby("share")["value"].agg(["mean", "std"])
        chance = chance.fillna(0.0)
        edges = [*(chance["mean"] + chance["std"]), *(chance["mean"] - chance["std"])[::-1]]
        if len(chance):
            figure.add_trace(
                go.Scatter(
                    x=[*chance.index, *chance.index[::-1]],
                    y=edges,
                    fill="toself",
                    fillcolor=ink,
                    line={"width": 0},
                    name="Random ± 1 sd",
                    hoverinfo="skip",
                    showlegend=row == 1,
                ),
                row=row,
                col=1,
            )
        methods = [name for name in own["method"].unique() if name != RANDOM]
        for number, method in enumerate(methods):
            mine = own[own["method"] == method]
            figure.add_trace(
                go.Scatter(
                    x=mine["share"],
                    y=mine["value"],
                    name=method,
                    mode="lines+markers",
                    line={"color": OKABE_ITO[number % len(OKABE_ITO)], "width": 2},
                    showlegend=row == 1,
                    hovertemplate=f"{method}<br>%{{x:.0%}} of {words}<br>%{{y:.3g}} {unit}<extra></extra>",
                ),
                row=row,
                col=1,
            )
        figure.update_xaxes(title_text=f"share of {words}", tickformat=".0%", row=row, col=1)
        figure.update_yaxes(title_text=f"prediction ({unit})", row=row, col=1)
    figure.update_layout(
        height=480,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
