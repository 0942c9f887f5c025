"""How far a checkpoint is: the score of the chosen head and the metric, each beside what to compare with."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from components.panels.plain_text import literal
from viz.figures.training_curves import Row, column, smoothed, training_figure
from viz.service.checkpoint_cache import Look
from viz.training.tasks import TASKS
from viz.training.training_folder import About, RunFolder
from viz.training.training_log import Line

REACHED = {True: ":green-badge[reached]", False: ":gray-badge[not yet]"}
SOLVED = {True: ":green-badge[solved]", False: ":gray-badge[not yet]"}
TOO_FEW = ":gray-badge[too few to judge]"

# What a newcomer may ask of the words in the table.
WORDS = {
    "score": "how much of its weight a head puts, on average, on the keys at which a head of a solved task "
    "looks: 0 is nothing, 1 is all",
    "all keys alike": "the score of a head without a preference, which has to be beaten",
    "accuracy": "the share of answers that are right",
    "nats": "the unit of the loss: at L nats the model gives what really comes a chance of e^−L on average, so "
    "0.69 is one half and lower is better",
    "squared error": "the mean of the squares by which the numbers are off",
    "baseline": "what the same examples give without attention",
}


def score_panel(
    about: About,
    folder: RunFolder,
    trials: list[Line],
    step: int,
    look: Look,
    at: tuple[str, int, int],
    *,
    scored: str,
    probes: int,
) -> None:
    """Say what the checkpoint's numbers are, and beside each the goal and what it is to be read beside.

    Args:
        about: the training.
        folder: where it is kept.
        trials: how its checkpoints did.
        step: of the checkpoint.
        look: what the checkpoint looks at.
        at: stack, layer and head that are looked at.
        scored: the stack that the task is about.
        probes: over how many examples a head is scored.
    """
    task = TASKS[about.task]
    trial = next((line for line in trials if int(line["step"]) == step), None)
    rows = []
    stack, layer, head = at
    if look.is_scored and stack == scored:
        score = float(look.scores.scores[layer, head])
        uniform = float(look.scores.uniform[layer, head])
        rows.append(
            (
                f"score of layer {layer}, head {head} over {_examples(probes)}",
                f"{score:.2f}",
                f"≥ {task.scored:g} {REACHED[score >= task.scored]}",
                f"{uniform:.2f}, a head that attends to all keys alike",
            )
        )
    if trial is not None:
        value, sign = task.value(trial), "≥" if task.metric == "accuracy" else "≤"
        baseline = folder.baseline()
        count = int(trial.get("examples", about.settings.test_examples))
        badge = SOLVED[task.is_solved(value, baseline)] if task.judges(count) else TOO_FEW
        rows.append(
            (
                f"{metric_words(about)} on {count:,} unseen examples",
                f"{value:.3f}",
                f"{sign} {task.goal(baseline):.3g} {badge}",
                "" if baseline is None else f"{baseline.value:.3f}, {literal(baseline.name)}",
            )
        )
    lines = [f"| step {step:,} | | goal | to compare |", "|:--|:--|:--|:--|"]
    lines += [f"| {words} | **{value}** | {goal} | {other} |" for words, value, goal, other in rows]
    st.markdown("\n".join(lines))


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"


def words_panel(about: About, folder: RunFolder) -> None:
    """Explain the words of the table and of the curves, which have no place for a mark of their own."""
    metric = metric_words(about)
    used = ["score", "all keys alike", "nats" if "nats" in metric else metric]
    used += ["baseline"] if folder.baseline() is not None else []
    words = "\n\n".join(f"**{word}**: {WORDS[word]}." for word in used)
    st.caption("What these numbers are", help=words)


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
