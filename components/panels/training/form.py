"""What to train, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import streamlit as st

from components.panels.literal import literal
from components.panels.training.shared import remember, show, trainings
from components.panels.training.text import text_panel
from viz.errors import LoupeError
from viz.models.custom.options import Positions
from viz.training.folder import About
from viz.training.settings import Settings
from viz.training.task import Task
from viz.training.tasks import TASKS, find_task
from viz.training.tasks.language import DEFAULT_TEXT

POSITIONS = {
    "none": "none",
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "rotary": "rotary (RoPE)",
    "alibi": "ALiBi",
}


def form_panel() -> None:
    """Ask for a task and its settings, and start it."""
    _preselect()
    name = st.selectbox(
        "Task",
        list(TASKS),
        key="train task",
        format_func=lambda one: TASKS[one].title,
        on_change=_forget_asked,
        persist_state="session",
    )
    if problem := st.session_state.get("train unknown"):
        st.warning(literal(problem))
    task = TASKS[name]
    st.markdown(literal(task.learns))
    st.caption(f"**A solved task shows:** {literal(task.shows)}")
    text, has_text = text_panel(DEFAULT_TEXT) if task.takes_text else (None, True)
    with st.expander("Model and training"):
        chosen = _model(task)
        settings = _training(task)
    st.caption(_summary(chosen, settings))
    problem = _misfit(task, chosen)
    if problem:
        st.error(literal(problem))
    asked = (name, tuple(chosen.values()), settings, text)
    if st.button("Start", type="primary", width="stretch", disabled=not has_text) and not problem:
        _start(task, chosen, settings, text, asked)
    refused, why = st.session_state.get("train refused", (None, ""))
    if refused == asked:
        st.error(literal(why))


def _preselect() -> None:
    """Take the task that the link names, once; else that of the training that it names."""
    asked = st.query_params.get("task")
    if asked is None:
        st.session_state.pop("train asked", None)
        st.session_state.pop("train unknown", None)
    elif asked != st.session_state.get("train asked"):
        st.session_state["train asked"] = asked
        try:
            st.session_state["train task"] = find_task(asked).name
            st.session_state.pop("train unknown", None)
        except LoupeError as error:
            st.session_state["train unknown"] = f"{error.message} {error.hint}"
    if "train task" not in st.session_state:
        st.session_state["train task"] = _task_shown() or next(iter(TASKS))


def _forget_asked() -> None:
    st.query_params.pop("task", None)


def _task_shown() -> str | None:
    try:
        return find_task(trainings().folder(st.query_params.get("run", "")).about().task).name
    except LoupeError:
        return None


def _model(task: Task) -> dict[str, Any]:
    """Ask what the model is made of."""
    usual = task.options
    key = f"train {task.name}"
    left, right = st.columns(2)
    kept: dict[str, Any] = {"persist_state": "session"}
    return {
        "layers": left.number_input("Layers", 1, 12, usual.layers, key=f"{key} layers", **kept),
        "heads": right.number_input("Heads", 1, 16, usual.heads, key=f"{key} heads", **kept),
        "d_model": left.number_input("Width", 4, 512, usual.d_model, key=f"{key} width", **kept),
        "positions": right.selectbox(
            "Positions",
            get_args(Positions),
            index=get_args(Positions).index(usual.positions),
            key=f"{key} positions",
            format_func=lambda one: POSITIONS[one],
            help="How the model knows where a token stands.",
            **kept,
        ),
    }


def _training(task: Task) -> Settings:
    """Ask how it is trained."""
    usual = task.settings
    key = f"train {task.name}"
    left, right = st.columns(2)
    kept: dict[str, Any] = {"persist_state": "session"}
    steps = left.number_input(
        "Steps", 10, 100_000, usual.steps, step=100, key=f"{key} steps", **kept
    )
    rate = right.number_input(
        "Learning rate",
        1e-6,
        100.0,
        usual.learning_rate,
        step=1e-3,
        format="%g",
        key=f"{key} rate",
        help="The largest; it grows to that at first, and falls to nothing at the end.",
        **kept,
    )
    batch = left.number_input(
        "Batch",
        1,
        1024,
        usual.batch_size,
        key=f"{key} batch",
        help="Examples of a step.",
        **kept,
    )
    seed = right.number_input(
        "Seed",
        0,
        2**31,
        usual.seed,
        key=f"{key} seed",
        help="The same seed gives the same weights to begin with, and the same examples.",
        **kept,
    )
    every = left.number_input(
        "Checkpoint every",
        1,
        100_000,
        usual.keep_every,
        key=f"{key} keep",
        help="Steps between checkpoints; each can be looked at, opened and downloaded.",
        **kept,
    )
    right.container(height=28, border=False)
    right.button("Usual values", on_click=lambda: _forget(key), width="stretch")
    return replace(
        usual,
        steps=int(steps),
        learning_rate=float(rate),
        batch_size=int(batch),
        seed=int(seed),
        keep_every=int(every),
    )


def _forget(key: str) -> None:
    """Let all fields of a task have their usual values."""
    for name in [str(one) for one in st.session_state if str(one).startswith(f"{key} ")]:
        del st.session_state[name]


def _summary(chosen: dict[str, Any], settings: Settings) -> str:
    layers = "1 layer" if chosen["layers"] == 1 else f"{chosen['layers']} layers"
    heads = "1 head" if chosen["heads"] == 1 else f"{chosen['heads']} heads"
    return literal(
        f"{layers} of {heads}, width {chosen['d_model']}; {settings.steps:,} steps at a learning rate "
        f"of {settings.learning_rate:g}."
    )


def _misfit(task: Task, chosen: dict[str, Any]) -> str:
    """Say what does not fit, before anything is started."""
    try:
        replace(task.options, **chosen)
    except LoupeError as error:
        return f"{error.message} {error.hint}"
    return ""


def _start(
    task: Task, chosen: dict[str, Any], settings: Settings, text: str | None, asked: tuple[Any, ...]
) -> None:
    """Begin; what does not fit is said, and what was on screen stays."""
    try:
        with st.spinner("Preparing the examples"):
            loaded = trainings().examples.get(task.name, settings.seed, text)
        options = replace(loaded.options, **chosen)
        name = trainings().start(About(task.name, settings, options), text)
    except LoupeError as error:
        st.session_state["train refused"] = asked, f"{error.message} {error.hint}"
        return
    remember(name)
    show(name)
    st.rerun()
