"""A training as it goes: how it stands, and what may be asked of it."""

from __future__ import annotations

import streamlit as st

from components.durations import begun_words, duration
from components.panels.plain_text import literal
from components.panels.training.checkpoint_panel import checkpoint_panel
from components.panels.training.session_trainings import OWN, trainings
from components.panels.training.train_url import complain, show
from components.panels.training.training_form import use_settings
from components.panels.training.training_labels import model_words, settings_words
from components.run_panel import in_words
from components.session_state import remember, take
from viz.errors import LoupeError
from viz.service.training_jobs import Standing
from viz.training.cpu_threads import AT_ONCE
from viz.training.tasks import TASKS
from viz.training.training_folder import About

# How often the page looks after a training's progress, and draws what is new of it, in seconds.
# Drawing takes time from the training, as both are at work in one process.
LOOKS_EVERY, DRAWS_EVERY = 1.0, 3.0

# And one that rests, which a terminal may go on with.
RESTS_EVERY = 5.0

STATES = {
    "waiting": "waiting",
    "running": "at work",
    "paused": "paused",
    "done": "done",
    "cancelled": "stopped",
    "failed": "failed",
}

# Where somebody else works on it.
WORKS = {
    "terminal": "A terminal is at work on it, where Ctrl+C stops it.",
    "page": "The Train page of another app is at work on it, where Stop stops it.",
}


def training_panel() -> None:
    """Show the training that the link names."""
    name = st.query_params.get("run", "")
    about = None
    if name:
        try:
            about = trainings().about(name)
            OWN.listed(name)
        except LoupeError as error:
            complain(f"The link's run {name[:40]!r} is not valid: {error.message} {error.hint}")
    if about is None:
        if not name:
            _empty()
        _others("")
        return
    works = trainings().works(name) or trainings().works_elsewhere(name)
    _settings(name, about, works=works)
    # A page that shows something finished asks for nothing more.
    is_over = about.state == "done" or about.diverged is not None
    every = LOOKS_EVERY if works else None if is_over else RESTS_EVERY
    st.fragment(_standing, run_every=every)(name, about.state)
    is_learning = works and about.state != "paused"
    st.fragment(checkpoint_panel, run_every=DRAWS_EVERY if is_learning else None)(name)
    _others(name)


def _settings(name: str, about: About, *, works: bool) -> None:
    """Say what it is and how it was set up; offer to set up another so, and to throw it away."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(TASKS[about.task].title, anchor=False, width="stretch")
        st.button("Use these settings", on_click=_use, args=(name,))
        if OWN.is_own(name, about.browser) and not works:
            with st.popover("Delete"):
                st.markdown("This throws the training away, with all its checkpoints.")
                st.button("Delete for good", type="primary", on_click=_delete, args=(name,))
    begun = begun_words(about.begun)
    st.caption(literal(settings_words(about) + (f"; {begun}." if begun else ".")))


def _use(name: str) -> None:
    try:
        folder = trainings().folder(name)
        use_settings(folder.about(), folder.text())
    except LoupeError as error:
        remember("train problem", str(error))


def _delete(name: str) -> None:
    try:
        trainings().delete(name)
    except LoupeError as error:
        remember("train problem", str(error))
        return
    OWN.unlisted(name)
    show("")


def _empty() -> None:
    """Say what will be here."""
    st.info(
        "Choose a task and press Start. Its loss, its accuracy and the patterns of its heads appear here "
        "while they form. The training goes on if you close the page, and the page's link leads back "
        "to it."
    )


def _others(shown: str) -> None:
    """List this session's other trainings."""
    names = [one for one in OWN.known() if one != shown]
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
        task, made = TASKS[about.task].title, about.options
        parts = [
            f"{task}: {STATES[about.state]}, step {standing.step:,} of {about.settings.steps:,}",
            f"{model_words(made.layers, made.heads, made.d_model)}, learning rate "
            f"{about.settings.learning_rate:g}, seed {about.settings.seed}",
            begun_words(about.begun),
        ]
        st.button(
            literal(" · ".join(part for part in parts if part)),
            key=f"train open {name}",
            on_click=show,
            args=(name,),
            type="tertiary",
            wrap=True,
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
        st.warning(in_words(error))
        return
    st.progress(min(1.0, standing.step / about.settings.steps), _said(about, standing, elsewhere))
    if elsewhere:
        st.caption(literal(WORKS[trainings().holder(name)]))
    else:
        _buttons(name, about)
    if about.state == "failed":
        st.error(literal(about.message))
    if problem := take("train problem", ""):
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
    if about.state == "done":
        return f"{step}. Done."
    if about.state == "paused":
        return f"{step}. Paused."
    is_whole = standing.kept >= standing.step or about.diverged is not None
    kept = f"kept up to step {standing.kept:,}, from where Go on continues."
    if about.state == "cancelled":
        if is_whole:
            return f"{step}. Stopped; what it learnt until then is kept."
        return f"Cut short at step {standing.step:,} of {steps:,}; {kept}"
    return f"{step}. It could not go on" + ("." if is_whole else f"; {kept}")


def _go_on(name: str) -> None:
    try:
        trainings().go_on(name)
    except LoupeError as error:
        remember("train problem", str(error))
