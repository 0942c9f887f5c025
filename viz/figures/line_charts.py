"""Curves: error against cost, singular values, growth with length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from viz.analysis.approximation_error import Tried
from viz.figures.palettes import OKABE_ITO

# More than all of the weight, where rows do not sum to 1, is drawn as all, with a mark of its own.
ALL = 1.0

MARKS = ("circle", "square", "diamond", "cross", "x", "pentagon", "star")


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart of growth.

    Attributes:
        name: in the legend.
        lengths: where it was measured.
        values: what was measured there.
        drawn: how a line is dashed that was not measured and stands for comparison.
    """

    name: str
    lengths: Sequence[int]
    values: Sequence[float]
    drawn: Literal["", "dash", "dot"] = ""


def cost_figure(tried: Sequence[Tried], *, chosen: Tried | None, dark: bool) -> go.Figure:
    """Draw error (down is better) against cost (left is cheaper), a line for each way.

    Args:
        tried: measured settings; those of one way follow each other.
        chosen: the one that is shown beside the exact pattern, circled.
        dark: whether the page is dark.
    """
    figure = go.Figure()
    figure.add_vline(x=1.0, line={"dash": "dot", "width": 1, "color": _ink(dark)})
    ways = list(dict.fromkeys(one.way for one in tried))
    for number, way in enumerate(ways):
        mine = [one for one in tried if one.way == way]
        errors = np.array([one.misplaced for one in mine])
        mark = MARKS[number % len(MARKS)]
        figure.add_trace(
            go.Scatter(
                x=[one.cost for one in mine],
                y=np.minimum(errors, ALL),
                name=way,
                mode="lines+markers",
                line={"color": OKABE_ITO[number % len(OKABE_ITO)], "width": 2},
                marker={
                    "size": 8,
                    "symbol": ["triangle-up" if error > ALL else mark for error in errors],
                },
                customdata=[[one.setting, one.error, one.misplaced] for one in mine],
                hovertemplate=f"{way}, %{{customdata[0]}}<br>cost %{{x:.3g}} of exact<br>"
                "error %{customdata[1]:.3g}<br>misplaced %{customdata[2]:.1%}<extra></extra>",
            )
        )
    if chosen is not None:
        figure.add_trace(
            go.Scatter(
                x=[chosen.cost],
                y=[min(chosen.misplaced, ALL)],
                mode="markers",
                marker={
                    "symbol": "circle-open",
                    "size": 18,
                    "line": {"width": 3, "color": _ink(dark)},
                },
                hoverinfo="skip",
                showlegend=False,
            )
        )
    ticks = [factor * 10.0**power for power in range(-4, 3) for factor in (1, 3)]
    figure.update_xaxes(
        title_text="multiplications (log scale), 1 is exact attention",
        type="log",
        tickvals=ticks,
        ticktext=[f"{tick:.4g}" for tick in ticks],
    )
    figure.update_yaxes(title_text="weight put elsewhere", range=[-0.04, 1.06], tickformat=".0%")
    return _laid_out(figure, dark, 400)


def spectrum_figure(
    values: NDArray[np.floating], errors: NDArray[np.floating], *, rank: int | None, dark: bool
) -> go.Figure:
    """Draw singular values, the largest first, and the error that is left at each rank.

    Args:
        values: singular values, [rank].
        errors: the error at rank 0, 1, ..., [rank + 1].
        rank: marked, or None.
        dark: whether the page is dark.
    """
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.16)
    ranks = np.arange(len(errors))
    figure.add_trace(
        go.Bar(
            x=ranks[1:],
            y=values,
            marker={"color": OKABE_ITO[0]},
            hovertemplate="number %{x}<br>singular value %{y:.3g}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    figure.add_trace(
        go.Scatter(
            x=ranks,
            y=errors,
            mode="lines",
            line={"color": OKABE_ITO[1], "width": 2},
            hovertemplate="rank %{x}<br>error %{y:.3g}<extra></extra>",
        ),
        row=1,
        col=2,
    )
    if rank is not None:
        figure.add_vline(
            x=rank, line={"dash": "dot", "width": 2, "color": _ink(dark)}, col=2, row=1
        )
    figure.update_xaxes(title_text="number", row=1, col=1)
    figure.update_xaxes(title_text="rank", row=1, col=2)
    figure.update_yaxes(title_text="singular value", row=1, col=1)
    figure.update_yaxes(title_text="error at that rank", range=[0, 1.02], row=1, col=2)
    return _laid_out(figure, dark, 280).update_layout(showlegend=False)


def growth_figure(
    curves: Mapping[str, Curve], *, name: str, unit: str = "", dark: bool
) -> go.Figure:
    """Draw what grows with the length; on these axes n^2 is a straight line twice as steep as n.

    Args:
        curves: by any key; a colour each, those that were not measured grey.
        name: of what grows.
        unit: behind the numbers, as in 50 µs; none for what is counted.
        dark: whether the page is dark.
    """
    figure = go.Figure()
    measured = [curve for curve in curves.values() if not curve.drawn]
    for curve in curves.values():
        number = 0 if curve.drawn else measured.index(curve)
        colour = "#8a94a0" if curve.drawn else OKABE_ITO[number]
        figure.add_trace(
            go.Scatter(
                x=list(curve.lengths),
                y=list(curve.values),
                name=curve.name,
                mode="lines" if curve.drawn else "lines+markers",
                # Wide below narrow, so that curves that lie on each other are both seen.
                line={"color": colour, "width": 1.5 if curve.drawn else 6 - 2 * min(number, 2)}
                | ({"dash": curve.drawn} if curve.drawn else {}),
                marker={"size": 8, "symbol": MARKS[number]},
                customdata=[_measured(value, unit) for value in curve.values] if unit else None,
                hovertemplate=f"{curve.name}<br>%{{x}} tokens<br>"
                + ("%{customdata}" if unit else "%{y:.4~s}")
                + "<extra></extra>",
            )
        )
    most = max(max(curve.values) for curve in measured)
    least = min(min(curve.values) for curve in measured)
    lengths = sorted({length for curve in measured for length in curve.lengths})
    figure.update_xaxes(
        title_text="tokens (log scale)",
        type="log",
        tickvals=lengths,
        ticktext=[f"{length:,}" for length in lengths],
        range=[np.log10(lengths[0] / 1.15), np.log10(lengths[-1] * 1.15)],
    )
    figure.update_yaxes(
        title_text=f"{name} (log scale)",
        type="log",
        range=[np.log10(least) - 0.2, np.log10(most) + 0.5],
        **(_ticks(least, most, unit) if unit else {"tickformat": "~s", "nticks": 8}),
    )
    return _laid_out(figure, dark, 360)


def _measured(value: float, unit: str) -> str:
    """Write a measured value of at most some thousand with its unit, as 50 µs."""
    prefixes = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"))
    # A hair less, because 1e-3 of a power of ten may be 0.000999.
    size, prefix = next((one for one in prefixes if value >= one[0] * 0.9999), (1e-9, "n"))
    return f"{value / size:.4g} {prefix}{unit}"


def _ticks(least: float, most: float, unit: str) -> dict[str, list[float] | list[str]]:
    """Name a tick at 1, 2 and 5 of each power of ten, or at 1 alone where there are many powers."""
    powers = range(int(np.floor(np.log10(least))), int(np.ceil(np.log10(most))) + 1)
    values = [
        factor * 10.0**power for power in powers for factor in ((1, 2, 5), (1,))[len(powers) > 4]
    ]
    return {"tickvals": values, "ticktext": [_measured(value, unit) for value in values]}


def _ink(dark: bool) -> str:
    return "#e6ebf0" if dark else "#1b2430"


def _laid_out(figure: go.Figure, dark: bool, height: int) -> go.Figure:
    grid = "#2b3542" if dark else "#dfe4e9"
    figure.update_xaxes(gridcolor=grid, zeroline=False)
    figure.update_yaxes(gridcolor=grid, zeroline=False)
    return figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": _ink(dark), "size": 12},
        legend={"orientation": "h", "y": -0.25, "yanchor": "top"},
    )
