"""How far heads moved: all of them between two sides, and each over the steps of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from viz.compare import Changed
from viz.figures.head_matrix import statistic_figure
from viz.figures.palettes import OKABE_ITO
from viz.figures.text_layout import name_below

DIVERGENCE = "Jensen-Shannon divergence (nats)"

# What a divergence is drawn against at least, so that what rounding leaves of nothing stays dark.
LEAST_DIVERGENCE = 1e-3

INK = {False: "#1b2430", True: "#e6ebf0"}
GRID = {False: "#dfe4e9", True: "#2b3542"}
FAINT = {False: "#c3cad2", True: "#56626f"}

HOVER = "layer %{customdata[0]}, head %{customdata[1]}<br>%{x}: %{y:.3g} nats<extra></extra>"

Head = tuple[int, int]


def changed_figure(
    changed: Changed, *, selected: Sequence[Head] = (), dark: bool = False
) -> go.Figure:
    """Draw how far every head moved: layers down, heads across; a click has y = layer and x = head.

    Args:
        changed: from `viz.compare.head_changes`.
        selected: (layer, head), outlined.
        dark: whether the page is dark.
    """
    values = changed.divergence
    name = DIVERGENCE
    if changed.measured < changed.of:
        name += f", {changed.measured:,} of {changed.of:,} rows"
    figure = statistic_figure(values.astype(np.float32), name, selected=selected, dark=dark)
    largest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    figure.data[0].update(zmax=max(largest, LEAST_DIVERGENCE), colorbar_tickformat=".2~g")
    # Where a bar lies above a wide figure, Plotly writes the name of the axis on its numbers.
    return name_below(figure, 22)


def curves_figure(
    frame: pd.DataFrame, *, selected: Sequence[Head] = (), dark: bool = False, top: int = 4
) -> go.Figure:
    """Draw how far each head has come from the first step, a line a head.

    Selected heads and those that changed most are coloured and named, the others are grey. The customdata
    of a point is its (layer, head).

    Args:
        frame: from `viz.compare.curves`; its index is named on the axis where steps are numbers.
        selected: (layer, head), coloured first and thicker.
        dark: whether the page is dark.
        top: how many of the most changed are coloured besides, as far as there are colours.
    """
    levels = (frame.columns.get_level_values(level) for level in ("layer", "head"))
    heads = [(int(layer), int(head)) for layer, head in zip(*levels, strict=True)]
    most = frame.max().to_numpy()
    ranked = [heads[n] for n in np.argsort(-np.nan_to_num(most), kind="stable")]
    chosen = [head for head in dict.fromkeys(map(tuple, selected)) if head in heads]
    told = [*chosen, *(head for head in ranked if head not in chosen)][: len(chosen) + top]
    told = told[: len(OKABE_ITO)]
    # The most changed come first in the legend, as they lie above each other.
    told.sort(key=ranked.index)
    colours = dict(zip([*chosen, *(h for h in told if h not in chosen)], OKABE_ITO, strict=False))
    traces = [_others(frame, [head for head in heads if head not in told], dark)]
    for head in reversed(told):
        line = {"color": colours[head], "width": 3.5 if head in chosen else 2}
        traces.append(_curve(frame, head, line))
    figure = go.Figure(traces)
    numeric = pd.api.types.is_numeric_dtype(frame.index)
    figure.update_xaxes(
        # Names of models say by themselves what they are.
        title_text=frame.index.name if numeric else "",
        type="linear" if numeric else "category",
        gridcolor=GRID[dark],
        zeroline=False,
        nticks=8,
        automargin=True,
    )
    figure.update_yaxes(
        title_text="divergence from the first (nats)",
        rangemode="tozero",
        gridcolor=GRID[dark],
        zeroline=False,
        nticks=6,
        automargin=True,
    )
    return figure.update_layout(
        height=360,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        hovermode="closest",
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "reversed",
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 12},
    )


def _curve(frame: pd.DataFrame, head: Head, line: Mapping[str, object]) -> go.Scatter:
    layer, number = head
    return go.Scatter(
        x=frame.index,
        y=frame[head],
        name=f"layer {layer} head {number}",
        mode="lines+markers",
        line=line,
        marker={"size": 6},
        customdata=np.tile(head, (len(frame), 1)),
        hovertemplate=_hover(frame),
    )


def _hover(frame: pd.DataFrame) -> str:
    """Say the number of a step with what it is, and the name of a model alone."""
    numeric = pd.api.types.is_numeric_dtype(frame.index)
    return HOVER.replace("%{x}", f"{frame.index.name} %{{x}}") if numeric else HOVER


def _others(frame: pd.DataFrame, heads: Sequence[Head], dark: bool) -> go.Scatter:
    """Draw all other heads as one line with gaps; hundreds of lines by themselves are slow."""
    steps = [*frame.index, None]
    values = [[*frame[head], None] for head in heads]
    return go.Scatter(
        x=steps * len(heads),
        y=[value for one in values for value in one],
        name="other heads",
        mode="lines",
        line={"color": FAINT[dark], "width": 1},
        customdata=np.repeat(np.array(heads).reshape(-1, 2), len(steps), axis=0),
        hovertemplate=_hover(frame),
        showlegend=bool(heads),
    )
