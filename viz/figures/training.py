"""How a training went: its loss, how it does on unseen examples, and the score of a known pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.figures.palettes import OKABE_ITO

# Steps over which the loss of single batches is averaged, as a share of all of them.
SMOOTHED = 0.02

INK = {False: "#1b2430", True: "#e6ebf0"}
GRID = {False: "#dfe3e8", True: "#2c3540"}


def loss_figure(
    log: Sequence[Mapping[str, float]],
    trials: Sequence[Mapping[str, float]],
    *,
    selected: int | None,
    dark: bool,
) -> go.Figure:
    """Draw the loss over steps: of batches averaged over neighbours, and on unseen examples.

    Args:
        log: a line a step, `step` and `loss`.
        trials: a line a checkpoint, `step` and `loss`.
        selected: the checkpoint that is looked at.
        dark: whether the page is dark.
    """
    figure = go.Figure()
    if log:
        steps = np.array([line["step"] for line in log])
        losses = np.array([line["loss"] for line in log])
        figure.add_trace(
            go.Scatter(x=steps, y=_smoothed(losses), name="batches", line={"color": OKABE_ITO[0]})
        )
    _add_points(figure, trials, "loss", "unseen examples", OKABE_ITO[1])
    figure.update_yaxes(title_text="loss (nats, or squared)", type="log")
    return _finished(figure, selected, dark)


def share_figure(
    trials: Sequence[Mapping[str, float]],
    scores: Mapping[int, float],
    *,
    name: str,
    goal: float | None,
    uniform: float | None,
    selected: int | None,
    dark: bool,
) -> go.Figure:
    """Draw what runs from 0 to 1 over steps: accuracy on unseen examples, and the score of the best head.

    Args:
        trials: a line a checkpoint, `step` and `accuracy`.
        scores: of the checkpoints that were looked at, by step.
        name: of the score.
        goal: what a solved task reaches; drawn as a line.
        uniform: what a head without a preference has; drawn as a line.
        selected: the checkpoint that is looked at.
        dark: whether the page is dark.
    """
    figure = go.Figure()
    if any(np.isfinite(line["accuracy"]) for line in trials):
        _add_points(figure, trials, "accuracy", "accuracy, unseen examples", OKABE_ITO[1])
    points = [{"step": step, "score": scores[step]} for step in sorted(scores)]
    _add_points(figure, points, "score", name, OKABE_ITO[2])
    for value, words in ((goal, "goal"), (uniform, "without a preference")):
        if value is not None:
            figure.add_hline(
                y=value,
                line={"dash": "dot", "width": 1, "color": INK[dark]},
                annotation={"text": words, "font": {"size": 11}},
            )
    figure.update_yaxes(title_text="share", range=[-0.03, 1.03])
    return _finished(figure, selected, dark)


def _add_points(
    figure: go.Figure, lines: Sequence[Mapping[str, float]], field: str, name: str, colour: str
) -> None:
    figure.add_trace(
        go.Scatter(
            x=[line["step"] for line in lines],
            y=[line[field] for line in lines],
            name=name,
            mode="lines+markers",
            marker={"size": 5},
            line={"color": colour},
        )
    )


def _smoothed(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Average every value with those before it, as many as a small share of all."""
    width = max(1, round(SMOOTHED * len(values)))
    sums = np.cumsum(np.concatenate([[0.0], values]))
    stops = np.arange(1, len(values) + 1)
    starts = np.maximum(0, stops - width)
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = (sums[stops] - sums[starts]) / (
        stops - starts
    )
    return means


def _finished(figure: go.Figure, selected: int | None, dark: bool) -> go.Figure:
    if selected is not None:
        figure.add_vline(x=selected, line={"width": 1, "color": INK[dark]})
    figure.update_xaxes(title_text="step", gridcolor=GRID[dark], zeroline=False)
    figure.update_yaxes(gridcolor=GRID[dark], zeroline=False)
    figure.update_layout(
        height=240,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 12},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="x unified",
        # Zoomed parts stay zoomed while the training goes on.
        uirevision="training",
    )
    return figure
