"""A training as it goes: how it stands, and what may be asked of it."""

from __future__ import annotations

import streamlit as st

from components.panels.literal import literal
from components.panels.training.checkpoint import checkpoint_panel
from components.panels.training.shared import known, remember, show, trainings
from viz.errors import LoupeError
from viz.service.trainings import Standing
from viz.training.folder import About
from viz.training.tasks import TASKS
from viz.training.threads import AT_ONCE

# How often the page looks after a training's progress, and draws what is new of it, in seconds.
# Drawing takes time from the training, as both are at work in one process.
LOOKS_EVERY, DRAWS_EVERY = 1.0, 3.0

STATES = {
    "waiting": "waiting",
    "running": "at work",
    "paused": "paused",
    "done": "done",
    "cancelled": "stopped",
    "failed": "failed",
}


def training_panel() -> None:
    """Show the training that the link names."""
    name = st.query_params.get("run", "")
    about = None
    if name:
        try:
            about = trainings().about(name)
            remember(name)
        except LoupeError as error:
            st.warning(literal(f"{error.message} {error.hint}"))
    if about is None:
        _empty()
        return
    st.subheader(TASKS[about.task].title, anchor=False)
    works = trainings().works(name) or trainings().works_elsewhere(name)
    # A page that shows something finished asks for nothing more.
    st.fragment(_standing, run_every=LOOKS_EVERY if works else None)(name, about.state)
    is_learning = works and about.state != "paused"
    st.fragment(checkpoint_panel, run_every=DRAWS_EVERY if is_learning else None)(name)
    _others(name)


def _empty() -> None:
    """Say what will be here, and list what this session has."""
    st.info(
        "Choose a task and press Start. Its loss, its accuracy and the patterns of its heads appear here "
        "while they form. The training goes on if you close the page, and the page's link leads back "
        "to it."
    )
    _others("")


def _others(shown: str) -> None:
    """List this session's other trainings."""
    names = [one for one in known() if one != shown]
    rows = []
    for name in names:
        try:
            about, standing = trainings().about(name), trainings().standing(name)
        except LoupeError:
            continue
        rows.append((name, about, standing))
    if not rows:
        return
    st.markdown("**Your trainings**" if not shown else "**Your other trainings**")
    for name, about, standing in rows:
        task, state = TASKS[about.task].title, STATES[about.state]
        st.button(
            literal(
                f"{task}: {state}, step {standing.step:,} of {about.settings.steps:,} "
                f"(…{name[-4:]})"
            ),
            key=f"train open {name}",
            on_click=show,
            args=(name,),
            type="tertiary",
        )
    st.caption("Only this page knows them; elsewhere, a training's link is the way back to it.")


def _standing(name: str, seen: str) -> None:
    """Say how far it is, and offer to pause, go on and stop.

    Args:
        name: of the training.
        seen: how it stood when the rest of the page was drawn.
    """
    try:
        about, standing = trainings().about(name), trainings().standing(name)
        elsewhere = trainings().works_elsewhere(name)
    except LoupeError as error:
        st.warning(literal(f"{error.message} {error.hint}"))
        return
    st.progress(min(1.0, standing.step / about.settings.steps), _said(about, standing, elsewhere))
    if elsewhere:
        st.caption("A terminal is at work on it, where Ctrl+C stops it.")
    else:
        _buttons(name, about)
    if about.state == "failed":
        st.error(literal(about.message))
    if problem := st.session_state.pop("train problem", ""):
        st.error(literal(problem))
    if about.state != seen:
        st.rerun()


def _buttons(name: str, about: About) -> None:
    """Offer to pause, go on and stop, whichever there is to do."""
    works = trainings().works(name)
    with st.container(horizontal=True):
        if works and about.state != "paused":
            st.button("Pause", on_click=trainings().pause, args=(name,))
        elif about.state != "done" and about.diverged is None:
            st.button("Go on", on_click=_go_on, args=(name,))
        if works:
            st.button("Stop", on_click=trainings().stop, args=(name,))


def _said(about: About, standing: Standing, elsewhere: bool) -> str:
    """Say how it stands, in a line."""
    steps = about.settings.steps
    step = f"Step {standing.step:,} of {steps:,}"
    if elsewhere:
        return f"{step}. At work elsewhere."
    if about.state == "waiting":
        return (
            f"{step}. Waits for its turn: {AT_ONCE} trainings are worked on at a time, and "
            f"{standing.others} others are at work."
            if standing.others >= AT_ONCE
            else f"{step}. Preparing the examples."
        )
    if about.state == "running":
        if standing.seconds_left is None:
            return f"{step}. Beginning."
        return f"{step}, about {duration(standing.seconds_left)} left."
    return {
        "paused": f"{step}. Paused.",
        "done": f"{step}. Done.",
        "cancelled": f"{step}. Stopped; what it learnt until then is kept.",
        "failed": f"{step}. It could not go on.",
    }[about.state]


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _go_on(name: str) -> None:
    try:
        trainings().go_on(name)
    except LoupeError as error:
        st.session_state["train problem"] = str(error)
