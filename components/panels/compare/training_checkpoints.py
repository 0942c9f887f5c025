"""The checkpoints of a training of this session, followed from the first one on."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components.compare_state import SideView, chosen_heads
from components.explore_session import page_link
from components.panels.compare.all_heads import comparisons
from components.panels.compare.compare_url import change, complain, view
from components.panels.compare.head_curves import curves_panel, patterns_panel
from components.panels.compare.run_both_sides import Both
from components.panels.plain_text import literal
from components.panels.training.session_trainings import OWN, trainings
from components.panels.training.training_progress import STATES
from components.run_panel import in_words, while_measuring
from components.session_state import remember, value_of
from viz.capture.trace import Trace
from viz.compare import Side
from viz.compare.row_sampling import spaced
from viz.errors import LoupeError
from viz.training.tasks import TASKS
from viz.training.training_folder import RunFolder

# Checkpoints that are followed; of more, so many evenly spaced, both ends among them.
MOST_STEPS = 48


def training_panel(runs: Both) -> None:
    """Follow every head over the checkpoints of a training, and show one at two of them."""
    name = _training()
    if name is None:
        return
    try:
        folder = trainings().folder(name)
        steps = folder.steps()
        scored = trainings().examples.of(folder).probes[0].stack
    except LoupeError as error:
        st.warning(in_words(error))
        return
    if len(steps) < 2:
        st.info("This training has no two checkpoints yet; come back when it has made more steps.")
        page_link("Train", "Look at the training →", run=name)
        return
    some = [steps[number] for number in spaced(len(steps), MOST_STEPS)]
    _steps(runs.seen.first, folder, steps, some, scored)


def _training() -> str | None:
    """Let a training of this session be chosen, and return its name; say where there is none."""
    asked = view().run
    if asked:
        try:
            trainings().folder(asked)
            OWN.listed(asked)
        except LoupeError as error:
            complain(f"{error.message} {error.hint}")
    titles = {name: title for name in OWN.known() if (title := _title(name))}
    if not titles:
        st.info(
            "Nothing was trained in this session yet. Train a small model, and see here step by step "
            "which of its heads change, and when."
        )
        page_link("Train", "Train a small model →")
        return None
    name = asked if asked in titles else next(iter(titles))
    remember("compare run", name)
    chosen: str = st.selectbox(
        "Training",
        list(titles),
        key="compare run",
        format_func=lambda one: titles[one],
        on_change=lambda: change(run=value_of("compare run"), step=-1),
    )
    if chosen != asked:
        # The link names what is shown, though nobody chose it.
        change(run=chosen)
    return chosen


def _title(name: str) -> str:
    """Describe a training; empty where it is gone."""
    try:
        about = trainings().about(name)
    except LoupeError:
        return ""
    return f"{TASKS[about.task].title}, {STATES[about.state]} (…{name[-4:]})"


def _steps(
    side: SideView, folder: RunFolder, steps: list[int], some: list[int], scored: str
) -> None:
    """Draw the curves, and the chosen head at the first step and at one of the others."""

    def trace(step: int) -> Trace:
        return trainings().checkpoints.look(folder, step).trace

    try:
        start = trace(steps[0])
    except LoupeError as error:
        st.error(literal(f"Step {steps[0]:,}: {error.message} {error.hint}"))
        return
    # What is chosen above may be of another model; a training's own stack is the one that is scored.
    named = side.stack if side.stack in start.stacks else scored
    stack, heads = chosen_heads(replace(side, stack=named), start.stacks)
    frame = while_measuring(
        "Comparing checkpoints",
        lambda tell: comparisons().curves(folder.name, some, trace, stack.name, tell),
    )
    if frame is None:
        return
    shown = Side(stack, heads)
    curves_panel(
        frame,
        start.stacks,
        shown,
        _said(len(steps), len(some)),
        lambda: page_link("Train", "Look at the training →", run=view().run),
    )
    step = _step(folder.name, steps)
    try:
        other = trace(step)
    except LoupeError as error:
        st.error(literal(f"Step {step:,}: {error.message} {error.hint}"))
        return
    patterns_panel(start, other, shown, (f"step {steps[0]:,}", f"step {step:,}"))


def _said(count: int, drawn: int) -> str:
    part = f"{drawn} of {count:,} checkpoints, evenly spaced. " if drawn < count else ""
    return (
        f"{part}Mean Jensen-Shannon divergence of a head's rows from the first checkpoint, in nats, on an "
        "unseen example of the task. A click on a curve chooses its head."
    )


def _step(name: str, steps: list[int]) -> int:
    """Let a checkpoint be chosen to stand beside the first; the last by default."""
    wanted = view().step
    later = steps[1:]
    if wanted != -1 and wanted not in later:
        complain(
            f"The step {wanted:,} is none of this training that stands beside the first, so {later[-1]:,} is "
            "shown."
        )
    if len(later) == 1:
        return later[0]
    key = f"compare step {name}"
    remember(key, wanted if wanted in later else later[-1])
    chosen: int = st.select_slider(
        f"Step beside step {steps[0]:,}",
        later,
        key=key,
        format_func=lambda step: f"{step:,}",
        on_change=lambda: change(step=int(value_of(key))),
        help="The arrow keys move it, too.",
    )
    return chosen
