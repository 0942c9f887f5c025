"""How a training went: its loss, how it does on unseen examples, and the score of a known pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.palettes import OKABE_ITO

# Steps over which the loss of single batches is averaged, as a share of all of them.
SMOOTHED = 0.02

# A curve of more points looks the same, and takes longer to send.
MOST_POINTS = 400

INK = {False: "#1b2430", True: "#e6ebf0"}
FAINT = {False: "#5b6672", True: "#9aa7b4"}
GRID = {False: "#dfe3e8", True: "#2c3540"}

# A ratio of the largest value to the least from which on an axis is logarithmic.
LOGARITHMIC = 5.0

# The same from which on only its decades are named.
MANY_DECADES = 50.0

# Of each row of curves, in pixels, and of what lies around all of them.
ROW, AROUND = 150, 56

Line = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """Curves over one axis.

    Attributes:
        title: of the axis, with its unit.
        curves: by name, steps and values; NaN where there is none.
        levels: values to compare with, by name; drawn as dotted lines.
        share: whether it runs from 0 to 1; else its axis is logarithmic where values are far apart.
    """

    title: str
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    levels: Mapping[str, float] = field(default_factory=dict)
    share: bool = True


def smoothed(log: Sequence[Line]) -> tuple[Sequence[float], Sequence[float]]:
    """Average the loss of batches over neighbours: steps and values, few enough to be drawn."""
    steps = np.array([line["step"] for line in log])
    means = _averaged(np.array([line["loss"] for line in log]))
    # From the end, so that the last one is among them.
    every = slice(None, None, -max(1, -(-len(log) // MOST_POINTS)))
    return steps[every][::-1].tolist(), means[every][::-1].tolist()


def column(trials: Sequence[Line], name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return the steps and values of one number of checkpoints, where there is one."""
    found = [(line["step"], line[name]) for line in trials if np.isfinite(line.get(name, np.nan))]
    return [step for step, _ in found], [value for _, value in found]


def training_figure(
    rows: Sequence[Row],
    *,
    steps: int,
    selected: int | None,
    diverged: int | None = None,
    dark: bool,
) -> go.Figure:
    """Draw rows of curves under each other, over the same steps.

    Args:
        rows: from the top.
        steps: how many there will be.
        selected: the checkpoint that is looked at; a line through all rows.
        diverged: the step at which the training was lost; a line of another kind.
        dark: whether the page is dark.
    """
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"shapes": [], "annotations": []}
    gap = 0.09
    tall = (1 - gap * (len(rows) - 1)) / len(rows)
    for number, row in enumerate(rows):
        axis = "" if number == 0 else str(number + 1)
        top = 1 - number * (tall + gap)
        layout[f"yaxis{axis}"] = _axis(row, (max(0.0, top - tall), top), dark)
        data += _curves(row, axis)
        for place, (name, value) in enumerate(row.levels.items()):
            _level(layout, name, value, axis, right=place % 2 == 1, dark=dark)
    last = "" if len(rows) == 1 else str(len(rows))
    layout["xaxis"] = {
        "title": {"text": "step", "standoff": 4},
        "range": [-0.02 * steps, 1.02 * steps],
        "anchor": f"y{last}",
        "gridcolor": GRID[dark],
        "zeroline": False,
        "nticks": 6,
    }
    for at, dash in ((selected, "solid"), (diverged, "dash")):
        if at is not None:
            line = {"width": 1.5, "color": OKABE_ITO[6] if dash == "dash" else FAINT[dark]}
            layout["shapes"].append(
                {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper"}
                | {"line": line | {"dash": dash}}
            )
    return go.Figure(data, _finished(layout, len(rows), dark))


def _curves(row: Row, axis: str) -> list[dict[str, Any]]:
    """Draw each curve, those of checkpoints with a point for each."""
    return [
        {
            "type": "scatter",
            "x": list(steps),
            "y": list(values),
            "name": name,
            "yaxis": f"y{axis}",
            "mode": "lines" if name == "batches" else "lines+markers",
            "marker": {"size": 4},
            "line": {"color": _colour(name), "width": 1.5},
            "showlegend": len(row.curves) > 1,
            "hovertemplate": "%{y:.3g}",
        }
        for name, (steps, values) in row.curves.items()
    ]


def _colour(name: str) -> str:
    return OKABE_ITO[0] if name == "batches" else OKABE_ITO[4] if name == "score" else OKABE_ITO[2]


def _axis(row: Row, domain: tuple[float, float], dark: bool) -> dict[str, Any]:
    axis = {
        "title": {"text": row.title, "standoff": 6},
        "domain": list(domain),
        "gridcolor": GRID[dark],
        "zeroline": False,
        "nticks": 4,
        "automargin": True,
    }
    if row.share:
        return axis | {"range": [-0.04, 1.06], "tickvals": [0, 0.5, 1]}
    if _spread(row) < LOGARITHMIC:
        return axis
    ticks = "D2" if _spread(row) < MANY_DECADES else 1
    return axis | {"type": "log", "dtick": ticks, "tickformat": "~g"}


def _spread(row: Row) -> float:
    """Return how many times the least value goes into the largest; 1 where there are none."""
    values = [value for _, values in row.curves.values() for value in values]
    values += row.levels.values()
    positive = [value for value in values if 0 < value < np.inf]
    return max(positive) / min(positive) if positive else 1.0


def _level(
    layout: dict[str, Any], name: str, value: float, axis: str, *, right: bool, dark: bool
) -> None:
    """Draw a value to compare with, its name above one end: two may lie close to each other."""
    where = f"y{axis}"
    layout["shapes"].append(
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": where, "y0": value, "y1": value}
        | {"line": {"dash": "dot", "width": 1, "color": FAINT[dark]}}
    )
    log = layout[f"yaxis{axis}"].get("type") == "log"
    layout["annotations"].append(
        {"text": name, "showarrow": False, "xref": "paper"}
        | {"x": 0.99 if right else 0.01, "xanchor": "right" if right else "left"}
        | {"yref": where, "y": float(np.log10(value)) if log else value, "yanchor": "bottom"}
        | {"font": {"size": 10, "color": FAINT[dark]}}
    )


def _averaged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average every value with those before it, as many as a small share of all."""
    width = max(1, round(SMOOTHED * len(values)))
    sums = np.cumsum(np.concatenate([[0.0], values]))
    stops = np.arange(1, len(values) + 1)
    starts = np.maximum(0, stops - width)
    means: NDArray[np.float64] = (sums[stops] - sums[starts]) / (stops - starts)
    return means


def _finished(layout: dict[str, Any], rows: int, dark: bool) -> dict[str, Any]:
    return layout | {
        "height": rows * ROW + AROUND,
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK[dark], "size": 12},
        "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        # Zoomed parts stay zoomed while the training goes on.
        "uirevision": "training",
    }
