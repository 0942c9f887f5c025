"""How far a checkpoint is: the score of the chosen head and the metric, each beside what to compare with."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from components.panels.literal import literal
from viz.figures.training import Row, column, smoothed, training_figure
from viz.service.checkpoints import Look
from viz.training.folder import About, RunFolder
from viz.training.notes import Line
from viz.training.tasks import TASKS

REACHED = {True: ":green-badge[reached]", False: ":gray-badge[not yet]"}
SOLVED = {True: ":green-badge[solved]", False: ":gray-badge[not yet]"}


def score_panel(
    about: About,
    folder: RunFolder,
    trials: list[Line],
    step: int,
    look: Look,
    at: tuple[str, int, int],
    *,
    scored: str,
) -> None:
    """Say what the checkpoint's numbers are, and beside each the goal and what it is to be read beside."""
    task = TASKS[about.task]
    trial = next((line for line in trials if int(line["step"]) == step), None)
    rows = []
    stack, layer, head = at
    if look.is_scored and stack == scored:
        score = float(look.scores.scores[layer, head])
        uniform = float(look.scores.uniform[layer, head])
        rows.append(
            (
                f"score of layer {layer}, head {head}",
                f"{score:.2f}",
                f"≥ {task.scored:g} {REACHED[score >= task.scored]}",
                f"{uniform:.2f}, a head that looks at all keys alike",
            )
        )
    if trial is not None:
        value, sign = task.value(trial), "≥" if task.metric == "accuracy" else "≤"
        baseline = folder.baseline()
        count = int(trial.get("examples", about.settings.test_examples))
        rows.append(
            (
                f"{metric_words(about)} on {count:,} unseen examples",
                f"{value:.3f}",
                f"{sign} {task.goal(baseline):.3g} {SOLVED[task.is_solved(value, baseline)]}",
                "" if baseline is None else f"{baseline.value:.3f}, {literal(baseline.name)}",
            )
        )
    lines = [f"| step {step:,} | | goal | to compare |", "|:--|:--|:--|:--|"]
    lines += [f"| {words} | **{value}** | {goal} | {other} |" for words, value, goal, other in rows]
    st.markdown("\n".join(lines))


def metric_words(about: About) -> str:
    """Name the metric with its unit."""
    if TASKS[about.task].metric == "accuracy":
        return "accuracy"
    return "squared error" if about.options.task == "regression" else "loss in nats"


def curves_of(
    about: About,
    folder: RunFolder,
    log: list[Line],
    trials: list[Line],
    step: int,
    *,
    dark: bool,
) -> go.Figure:
    """Draw the loss, the accuracy and the score of the best head, as far as they are."""
    task = TASKS[about.task]
    baseline = folder.baseline()
    levels = {"goal": task.goal(baseline)}
    if baseline is not None and baseline.value != levels["goal"]:
        levels["baseline"] = baseline.value
    unit = "squared error" if about.options.task == "regression" else "loss (nats)"
    loss: dict[str, Any] = {"batches": smoothed(log)} if log else {}
    loss["unseen"] = column(trials, "loss")
    rows = [Row(unit, loss, levels if task.metric == "loss" else {}, share=False)]
    accuracy = column(trials, "accuracy")
    if accuracy[0]:
        rows.append(
            Row("accuracy", {"accuracy": accuracy}, levels if task.metric == "accuracy" else {})
        )
    score = column(trials, "score")
    if score[0]:
        uniform = column(trials, "uniform")[1][-1]
        alike = {} if math.isnan(uniform) else {"all keys alike": uniform}
        rows.append(Row("best score", {"score": score}, {"goal": task.scored, **alike}))
    return training_figure(
        rows, steps=about.settings.steps, selected=step, diverged=about.diverged, dark=dark
    )
