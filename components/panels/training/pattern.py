"""Where a head of a training looks, at any of its checkpoints."""

from __future__ import annotations

import math
from urllib.parse import urlencode

import streamlit as st

from components.panels.literal import literal
from components.panels.training.shared import checkpoints
from components.session import is_dark
from viz.errors import LoupeError
from viz.figures import Display, apply, pattern_figure
from viz.service.checkpoints import Look
from viz.training.folder import About, RunFolder
from viz.training.tasks import TASKS

PLOTLY = {"displaylogo": False, "displayModeBar": False, "showTips": False}


def trained_panel(folder: RunFolder, about: About) -> None:
    """Let a checkpoint and a head be chosen, and draw the pattern and its score."""
    steps = folder.steps()
    if not steps:
        st.caption("The first checkpoint comes in a moment.")
        return
    step = _step(steps)
    st.session_state["train shown"] = step
    try:
        look = checkpoints().look(folder, step)
    except LoupeError as error:
        st.error(literal(f"{error.message} {error.hint}"))
        return
    scored = checkpoints().loaded(folder).probes[0].stack
    stack_name, layer, head = _head(look, scored)
    _score(look, about, (layer, head) if stack_name == scored else None)
    stack = look.trace.stacks[stack_name]
    display = Display()
    pattern = stack.weights(layer, head).cpu().numpy()
    may_look = stack.attended(layer, head).cpu().numpy()
    shown = apply(pattern, stack.queries, stack.keys, display, attended=may_look)
    st.plotly_chart(
        pattern_figure(shown, display=display, dark=is_dark(), height=420),
        key="train pattern",
        config=PLOTLY,
    )
    asked = {"model": str(folder.checkpoint(step)), "local": 1, "layer": layer, "head": head}
    probe = checkpoints().loaded(folder).probes[0]
    if isinstance(probe.given, str):
        told = {"stack": stack_name, "text": probe.given, "pair": probe.target or ""}
        link = urlencode({**asked, **told})
        st.link_button(f"Open step {step:,} in Explore", f"/?{link}")


def scores_so_far(folder: RunFolder) -> dict[int, float]:
    """Return the best scores of the checkpoints that were looked at; look at one more."""
    known = {step: checkpoints().best(folder, step) for step in folder.steps()}
    missing = [step for step, score in known.items() if score is None]
    if missing:
        try:
            checkpoints().look(folder, missing[-1])
            known[missing[-1]] = checkpoints().best(folder, missing[-1])
        except LoupeError:
            pass  # the panel that shows this checkpoint says so
    return {
        step: score for step, score in known.items() if score is not None and math.isfinite(score)
    }


def _step(steps: list[int]) -> int:
    """Let a checkpoint be chosen; the latest is followed until somebody chooses another."""
    followed = st.session_state.get("train follow", True)
    if followed or st.session_state.get("train step") not in steps:
        st.session_state["train step"] = steps[-1]
    if len(steps) == 1:
        return steps[0]

    def choose() -> None:
        st.session_state["train follow"] = st.session_state["train step"] == steps[-1]

    chosen: int = st.select_slider(
        "Checkpoint after step", steps, key="train step", on_change=choose
    )
    return chosen


def _head(look: Look, scored: str) -> tuple[str, int, int]:
    """Let a head be chosen; the one that scores best is shown until somebody does."""
    stacks = look.trace.stacks
    if st.session_state.get("train stack") not in stacks:
        st.session_state["train stack"] = scored
    place, which = st.columns([1, 3], vertical_alignment="bottom")
    name = (
        place.selectbox("Stack", list(stacks), key="train stack")
        if len(stacks) > 1
        else next(iter(stacks))
    )
    stack = stacks[name]
    best = (look.scores.best.layer, look.scores.best.head) if name == scored else None
    heads: list[tuple[int, int] | None] = [None] if best is not None else []
    heads += [(layer, head) for layer in range(stack.layers) for head in range(stack.heads(layer))]
    if st.session_state.get("train head") not in heads:
        st.session_state["train head"] = heads[0]
    chosen = which.selectbox(
        "Head",
        heads,
        key="train head",
        format_func=lambda at: (
            "the one that scores best" if at is None else f"layer {at[0]}, head {at[1]}"
        ),
    )
    layer, head = chosen or best or (0, 0)
    return name, layer, head


def _score(look: Look, about: About, at: tuple[int, int] | None) -> None:
    """Say how much a head does what the task wants."""
    task = TASKS[about.task]
    st.caption(literal(f"What a solved task shows: {task.shows}"))
    best = look.scores.best
    st.session_state["train uniform"] = best.uniform
    own = ""
    if at is not None:
        score, uniform = float(look.scores.scores[at]), float(look.scores.uniform[at])
        own = f"Layer {at[0]}, head {at[1]} scores **{score:.2f}**; without a preference it were {uniform:.2f}. "
    reached = "reached" if best.score >= task.scored else "not reached yet"
    st.markdown(
        f"{own}Best: {best.score:.2f} (layer {best.layer}, head {best.head}); the goal of "
        f"{task.scored:g} is {reached}."
    )
