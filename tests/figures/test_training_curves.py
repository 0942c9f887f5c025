"""Curves of a training: what is drawn, and that long ones stay light."""

from __future__ import annotations

import math

import numpy as np

from viz.figures.training_curves import MOST_POINTS, Row, column, smoothed, training_figure


def test_a_long_log_is_thinned_out_and_keeps_its_last_step():
    log = [{"step": step, "loss": 1.0 / step} for step in range(1, 5_001)]
    steps, values = smoothed(log)
    assert len(steps) == len(values) <= MOST_POINTS
    assert steps[-1] == 5_000
    assert steps == sorted(steps)


def test_the_loss_of_batches_is_the_mean_of_the_last_few():
    log = [{"step": step, "loss": float(step % 2)} for step in range(1, 201)]
    steps, values = smoothed(log)
    # Two of a hundred steps: four of two hundred, half of them 1.
    assert values[-1] == 0.5
    assert values[0] == 1.0
    assert len(steps) == 200


def test_what_is_no_number_is_left_out():
    trials = [
        {"step": 0, "accuracy": math.nan},
        {"step": 5, "accuracy": 0.5, "score": 0.1},
        {"step": 10, "accuracy": math.inf},
    ]
    assert column(trials, "accuracy") == ([5], [0.5])
    assert column(trials, "score") == ([5], [0.1])


def test_rows_share_their_steps_and_have_axes_of_their_own():
    rows = [
        Row("loss (nats)", {"unseen": ([0, 10], [4.0, 0.01])}, {"goal": 0.1}, share=False),
        Row("accuracy", {"accuracy": ([0, 10], [0.1, 0.9])}, {"goal": 0.95, "baseline": 0.9}),
    ]
    figure = training_figure(rows, steps=10, selected=10, diverged=7, dark=False)
    layout = figure.layout
    assert [trace.yaxis for trace in figure.data] == ["y", "y2"]
    assert layout.yaxis.type == "log"
    assert layout.yaxis2.range == (-0.04, 1.06)
    assert layout.yaxis.domain[0] > layout.yaxis2.domain[1]
    assert layout.xaxis.title.text == "step"
    assert layout.xaxis.anchor == "y2"
    goal = next(one for one in layout.annotations if one.text == "goal")
    assert np.isclose(goal.y, -1), "an axis of logarithms takes them in annotations"
    assert [line.x0 for line in layout.shapes if line.yref == "paper"] == [10, 7]
    assert len({one.xanchor for one in layout.annotations if one.yref == "y2"}) == 2


def test_values_close_to_each_other_are_drawn_on_a_linear_axis():
    row = Row("loss (nats)", {"unseen": ([0, 10], [4.0, 3.0])}, share=False)
    assert training_figure([row], steps=10, selected=None, dark=True).layout.yaxis.type is None
