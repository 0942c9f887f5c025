"""How the queries of a head are spread over its scores, one small picture a score."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.figures.palettes import OKABE_ITO

INK = {False: "#1b2430", True: "#e6ebf0"}
GRID = {False: "#dfe4e9", True: "#2b3542"}

# Pictures beside each other; in pixels their height, and what lies between two for the names of axes.
ACROSS, TALL, GAP = 2, 72, 66

# Of a bin, so that two beside each other are told apart.
FILLED = 0.9


def distributions_figure(parts: Mapping[str, tuple[pd.DataFrame, str]], *, dark: bool) -> go.Figure:
    """Draw for each score which share of the queries has how much of it.

    Args:
        parts: by title, the columns low, high and share, and the unit of the score; empty for shares of weight.
        dark: whether the page is dark.
    """
    rows = -(-len(parts) // ACROSS)
    inside = rows * TALL + (rows - 1) * GAP
    figure = make_subplots(
        rows=rows,
        cols=ACROSS,
        subplot_titles=list(parts),
        vertical_spacing=GAP / inside if rows > 1 else 0,
        horizontal_spacing=0.14,
    )
    for number, (title, (frame, unit)) in enumerate(parts.items()):
        at = {"row": number // ACROSS + 1, "col": number % ACROSS + 1}
        figure.add_trace(_bars(title, frame, unit, dark), **at)
        figure.update_xaxes(**_axis(frame, unit), **at)
    figure.update_yaxes(
        tickformat=".0%", tickvals=[0, 0.5, 1], range=[0, 1.02], gridcolor=GRID[dark]
    )
    figure.update_annotations(font_size=12)
    return figure.update_layout(
        height=inside + 22 + 44,
        margin={"l": 44, "r": 20, "t": 22, "b": 44, "autoexpand": False},
        bargap=0,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 11},
    )


def _bars(title: str, frame: pd.DataFrame, unit: str, dark: bool) -> go.Bar:
    doubling = unit == "tokens"
    if doubling:
        frame = _without_gaps(frame)
    return go.Bar(
        x=[f"{low:.0f}" for low in frame["low"]]
        if doubling
        else (frame["low"] + frame["high"]) / 2,
        y=frame["share"],
        width=FILLED if doubling else (frame["high"] - frame["low"]) * FILLED,
        marker={"color": OKABE_ITO[5] if dark else OKABE_ITO[0]},
        customdata=[_bin(*ends, unit) for ends in zip(frame["low"], frame["high"], strict=True)],
        hovertemplate=f"{title} %{{customdata}}<br>%{{y:.1%}} of the queries<extra></extra>",
        showlegend=False,
    )


def _without_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the empty bins of distances, which would be passed over where each bin is as wide."""
    lows = [float(frame["low"].iloc[0])]
    while lows[-1] < frame["low"].iloc[-1]:
        lows.append(max(1.0, 2 * lows[-1]))
    highs = [max(1.0, 2 * low) for low in lows]
    whole = pd.DataFrame({"low": lows, "high": highs}).merge(frame, how="left")
    return whole.fillna({"share": 0.0})


def _axis(frame: pd.DataFrame, unit: str) -> dict[str, object]:
    """Say what lies along the axis below one picture."""
    common: dict[str, object] = {
        "title": {"font": {"size": 11}, "standoff": 2},
        "tickangle": 0,
        "zeroline": False,
        "showgrid": False,
    }
    if unit == "tokens":
        # Bins of distances are twice as wide each, and would be hairlines beside the last if drawn so.
        return {**common, "title_text": "tokens away, from", "type": "category", "nticks": 6}
    if unit:
        most = float(frame["high"].max())
        return {**common, "title_text": unit, "range": [0, most], "nticks": 5}
    shares = {"tickvals": [0, 0.5, 1], "tickformat": ".0%", "range": [0, 1]}
    return {**common, **shares, "title_text": "share of weight"}


def _bin(low: float, high: float, unit: str) -> str:
    return f"{low:.3g} to {high:.3g} {unit}" if unit else f"{low:.0%} to {high:.0%}"
