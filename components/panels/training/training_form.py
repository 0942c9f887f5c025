"""What to train, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import streamlit as st

from components.panels.plain_text import literal
from components.panels.session_works import this_browser
from components.panels.training.session_trainings import OWN, trainings
from components.panels.training.train_url import complain, show
from components.panels.training.training_labels import HELP, POSITIONS, model_words
from components.panels.training.training_text import Chosen, text_panel, use_text
from components.run_panel import in_words
from components.session_state import forget, forget_all_under, recall, remember, remembers, take
from viz.errors import ConfigError, LoupeError
from viz.models.custom.model_options import Positions
from viz.training.task import Task
from viz.training.tasks import TASKS, find_task
from viz.training.tasks.language import DEFAULT_TEXT, SHORT
from viz.training.training_folder import About
from viz.training.training_request import asked_options, asked_settings
from viz.training.training_settings import Settings

# What the fields are called, and what a page trains: more is for a terminal.
NAMES = {
    **{"layers": "Layers", "heads": "Heads", "d_model": "Width", "steps": "Steps"},
    **{"learning_rate": "Learning rate", "batch_size": "Batch", "seed": "Seed"},
    "keep_every": "Checkpoint every",
}
BOUNDS = {
    **{"layers": (1, 12), "heads": (1, 16), "d_model": (4, 512), "steps": (10, 100_000)},
    **{"learning_rate": (1e-6, 100), "batch_size": (1, 1024), "seed": (0, 2**31)},
    "keep_every": (1, 100_000),
}

KEPT: dict[str, Any] = {"persist_state": "session"}


def form_panel() -> None:
    """Ask for a task and its settings, and start it."""
    _preselect()
    name = st.selectbox(
        "Task",
        list(TASKS),
        key="train task",
        format_func=lambda one: TASKS[one].title,
        on_change=_forget_asked,
        help=HELP["task"],
        persist_state="session",
    )
    if problem := recall("train unknown"):
        complain(problem)
    task = TASKS[name]
    st.markdown(literal(task.learns))
    st.caption(f"**A solved task shows:** {literal(task.shows)}")
    given = text_panel(DEFAULT_TEXT) if task.takes_text else Chosen()
    with st.expander("Model and training"):
        model, training = _model(task), _training(task)
    settings = None
    try:
        settings = _fitting(task, model, training, given.text)
        words = model_words(model["layers"], model["heads"], model["d_model"])
        st.caption(
            literal(
                f"{words}; {settings.steps:,} steps at a learning rate of {settings.learning_rate:g}."
            )
        )
    except LoupeError as error:
        st.error(in_words(error))
    asked = (name, tuple(model.values()), settings, given.text)
    is_ready = settings is not None and given.is_there
    if st.button("Start", type="primary", width="stretch", disabled=not is_ready) and settings:
        _start(task, model, settings, given, asked)
    refused, why = recall("train refused", (None, ""))
    if refused == asked:
        st.error(literal(why))


def _preselect() -> None:
    """Take the task that the link names, once; else that of the training that it names."""
    asked = st.query_params.get("task")
    if asked is None:
        forget("train asked")
        _forget_unknown()
    elif asked != recall("train asked"):
        remember("train asked", asked)
        try:
            remember("train task", find_task(asked).name)
            _forget_unknown()
        except LoupeError as error:
            remember(
                "train unknown",
                f"The link's task {asked[:40]!r} is not valid, so another is shown: {error.message} "
                f"{error.hint}",
            )
    if not remembers("train task"):
        remember("train task", _task_shown() or next(iter(TASKS)))


def _forget_unknown() -> None:
    """Let what was said of the link's task be over."""
    problem = take("train unknown")
    said = recall("train said", [])
    remember("train said", [one for one in said if one != problem])


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
    # Without bounds: what is out of range is said, where a field with bounds would go on with the number
    # before it.
    return {
        "layers": left.number_input(
            "Layers", value=usual.layers, key=f"{key} layers", help=HELP["layers"], **KEPT
        ),
        "heads": right.number_input(
            "Heads", value=usual.heads, key=f"{key} heads", help=HELP["heads"], **KEPT
        ),
        "d_model": left.number_input(
            "Width", value=usual.d_model, key=f"{key} width", help=HELP["width"], **KEPT
        ),
        "positions": right.selectbox(
            "Positions",
            get_args(Positions),
            index=get_args(Positions).index(usual.positions),
            key=f"{key} positions",
            format_func=lambda one: POSITIONS[one],
            help=HELP["positions"],
            **KEPT,
        ),
    }


def _training(task: Task) -> dict[str, Any]:
    """Ask how it is trained."""
    usual = task.settings
    key = f"train {task.name}"
    left, right = st.columns(2)
    steps = left.number_input(
        "Steps", value=usual.steps, step=100, key=f"{key} steps", help=HELP["steps"], **KEPT
    )
    rate = right.number_input(
        "Learning rate",
        value=usual.learning_rate,
        step=1e-3,
        format="%g",
        key=f"{key} rate",
        help=HELP["rate"],
        **KEPT,
    )
    batch = left.number_input(
        "Batch",
        value=usual.batch_size,
        key=f"{key} batch",
        help=HELP["batch"],
        **KEPT,
    )
    seed = right.number_input(
        "Seed",
        value=usual.seed,
        key=f"{key} seed",
        help=HELP["seed"],
        **KEPT,
    )
    every = left.number_input(
        "Checkpoint every",
        value=usual.keep_every,
        key=f"{key} keep",
        help=HELP["keep"],
        **KEPT,
    )
    right.container(height=28, border=False)
    right.button(
        "Usual values",
        on_click=lambda: _forget(key),
        width="stretch",
        help="Sets the model and the training of this task back to what they were at first.",
    )
    return {
        "steps": int(steps),
        "learning_rate": float(rate),
        "batch_size": int(batch),
        "seed": int(seed),
        "keep_every": int(every),
    }


def use_settings(about: About, text: str | None) -> None:
    """Fill the form with what a training was given."""
    made, trained, key = about.options, about.settings, f"train {about.task}"
    given = {
        **{"layers": made.layers, "heads": made.heads, "width": made.d_model},
        **{"positions": made.positions, "steps": trained.steps, "rate": trained.learning_rate},
        **{"batch": trained.batch_size, "seed": trained.seed, "keep": trained.keep_every},
    }
    remember("train task", about.task)
    for name, value in given.items():
        remember(f"{key} {name}", value)
    if TASKS[about.task].takes_text:
        use_text(about.text_name, text, DEFAULT_TEXT)


def _forget(key: str) -> None:
    """Let all fields of a task have their usual values."""
    forget_all_under(key)


def _require_inside(given: Mapping[str, Any]) -> None:
    """Make sure that numbers are within what a page trains.

    Raises:
        ConfigError: one is not.
    """
    for name, (least, most) in BOUNDS.items():
        if not least <= given[name] <= most:
            raise ConfigError(
                f"{NAMES[name]} is {given[name]:,}.", f"Choose {least:,} to {most:,}."
            )


def _fitting(
    task: Task, model: dict[str, Any], training: dict[str, Any], text: str | None
) -> Settings:
    """Make sure that what was asked for fits, before anything is started.

    Raises:
        LoupeError: it does not.
    """
    _require_inside({**model, **training})
    asked_options(task.options, model, NAMES)
    settings = asked_settings(task.settings, training, NAMES)
    if text is not None and len(text) < SHORT:
        # Whether so short a text makes enough pieces is known in a moment; Start finds them made.
        trainings().examples.get(task.name, settings.seed, text)
    return settings


def _start(
    task: Task, model: dict[str, Any], settings: Settings, given: Chosen, asked: tuple[Any, ...]
) -> None:
    """Begin; what does not fit is said, and what was on screen stays."""
    try:
        with st.spinner("Preparing the examples"):
            loaded = trainings().examples.get(task.name, settings.seed, given.text)
        options = asked_options(loaded.options, model, NAMES)
        about = About(task.name, settings, options, text_name=given.name, browser=this_browser())
        name = trainings().start(about, given.text)
    except LoupeError as error:
        remember("train refused", (asked, f"{error.message} {error.hint}"))
        return
    OWN.began(name)
    show(name)
    st.rerun()
