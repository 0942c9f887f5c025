"""What to train, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import streamlit as st

from components.panels.literal import literal
from components.panels.training.shared import trainings
from viz.errors import LoupeError, TextError
from viz.models.custom.options import Positions, TransformerOptions
from viz.training.folder import About
from viz.training.settings import Settings
from viz.training.task import Task
from viz.training.tasks import TASKS

# A text of the user's own, in bytes; more would not be read in a minute.
MOST_BYTES = 20_000_000


def form_panel() -> None:
    """Ask for a task and its settings, and start it."""
    # Set in every run, because another page forgets what was chosen here.
    st.session_state.setdefault("train task", next(iter(TASKS)))
    st.session_state["train task"] = st.session_state["train task"]
    name = st.selectbox(
        "Task", list(TASKS), key="train task", format_func=lambda one: TASKS[one].title
    )
    task = TASKS[name]
    st.caption(literal(task.learns))
    st.caption(literal(f"What a solved task shows: {task.shows}"))
    text = _own_text() if task.takes_text else None
    with st.expander("Model and training"):
        options = _model(task)
        settings = _training(task)
    if st.button("Start", type="primary", width="stretch"):
        _start(task, options, settings, text)


def _own_text() -> str | None:
    """Take a file of the user's; None where there is none."""
    given = st.file_uploader("A text of your own (.txt)", type=["txt", "md"], key="train text")
    if given is None:
        return None
    try:
        if given.size > MOST_BYTES:
            raise TextError(
                f"The file {given.name} has {given.size / 1e6:,.0f} MB.",
                f"Give a text of at most {MOST_BYTES / 1e6:,.0f} MB.",
            )
        return str(given.getvalue().decode("utf-8-sig"))
    except UnicodeDecodeError:
        st.error(literal(f"The file {given.name} is no text in UTF-8. Save it as plain text."))
    except TextError as error:
        st.error(literal(str(error)))
    st.stop()


def _model(task: Task) -> dict[str, object]:
    """Ask what the model is made of."""
    usual = task.options
    key = f"train {task.name}"
    left, right = st.columns(2)
    return {
        "layers": left.number_input("Layers", 1, 12, usual.layers, key=f"{key} layers"),
        "heads": right.number_input("Heads", 1, 16, usual.heads, key=f"{key} heads"),
        "d_model": left.number_input("Width", 4, 512, usual.d_model, step=4, key=f"{key} width"),
        "positions": right.selectbox(
            "Positions",
            get_args(Positions),
            index=get_args(Positions).index(usual.positions),
            key=f"{key} positions",
            help="How the model knows where a token stands.",
        ),
    }


def _training(task: Task) -> Settings:
    usual = task.settings
    key = f"train {task.name}"
    left, right = st.columns(2)
    steps = left.number_input("Steps", 10, 100_000, usual.steps, step=100, key=f"{key} steps")
    rate = right.number_input(
        "Learning rate",
        1e-6,
        100.0,
        usual.learning_rate,
        step=1e-4,
        format="%.1e",
        key=f"{key} rate",
    )
    batch = left.number_input("Batch", 1, 1024, usual.batch_size, key=f"{key} batch")
    seed = right.number_input("Seed", 0, 2**31, usual.seed, key=f"{key} seed")
    keep = left.number_input(
        "Checkpoint every",
        1,
        100_000,
        usual.keep_every,
        key=f"{key} keep",
        help="Steps between checkpoints; each can be looked at and opened.",
    )
    return replace(
        usual,
        steps=int(steps),
        learning_rate=float(rate),
        batch_size=int(batch),
        seed=int(seed),
        keep_every=int(keep),
    )


def _start(task: Task, chosen: dict[str, object], settings: Settings, text: str | None) -> None:
    """Begin; what does not fit is said, and what was on screen stays."""
    try:
        with st.spinner("Preparing the examples"):
            loaded = task.load(settings.seed, text)
        options: TransformerOptions = replace(loaded.options, **chosen)  # type: ignore[arg-type]
        name = trainings().start(About(task.name, settings, options), text)
    except LoupeError as error:
        st.error(literal(f"{error.message} {error.hint}"))
        return
    st.query_params["run"] = name
    for chosen_key in ("train step", "train stack", "train layer", "train head"):
        st.session_state.pop(chosen_key, None)
    st.rerun()
