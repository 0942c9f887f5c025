"""A training as it goes: how it stands, its curves, and what may be asked of it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import streamlit as st

from components.panels.literal import literal
from components.panels.training.pattern import scores_so_far, trained_panel
from components.panels.training.shared import trainings
from components.session import is_dark
from viz.errors import GoneError, LoupeError
from viz.figures.training import loss_figure, share_figure
from viz.training.folder import About, RunFolder
from viz.training.tasks import TASKS

# How often the page looks after a training, in seconds.
EVERY = 1.0

STATES = {
    "waiting": "Waits for its turn: others are at work.",
    "running": "At work.",
    "paused": "Paused.",
    "done": "Done.",
    "cancelled": "Stopped; what it learnt until then is kept.",
    "failed": "",
}

PLOTLY = {"displaylogo": False, "displayModeBar": False, "showTips": False}


def training_panel() -> None:
    """Show the training that the link names."""
    name = st.query_params.get("run", "")
    if not name:
        st.info(
            "Choose a task and press Start: its loss and the patterns of its heads appear here while "
            "they form. The link of this page leads back to a training, whatever happens to the page."
        )
        return
    try:
        works = trainings().works(name)
        trainings().about(name)
    except LoupeError as error:
        st.warning(literal(f"{error.message} {error.hint}"))
        return
    # A page that shows something finished asks for nothing more.
    st.fragment(_live, run_every=EVERY if works else None)(name)


def _live(name: str) -> None:
    try:
        about, folder = trainings().about(name), trainings().folder(name)
    except GoneError as error:
        st.warning(literal(f"{error.message} {error.hint}"))
        return
    works = trainings().works(name)
    st.subheader(TASKS[about.task].title, anchor=False)
    _standing(name, about, works)
    trained_panel(folder, about)
    _curves(folder, about)
    _files(folder)
    if not works and st.session_state.get("train works", {}).get(name):
        st.session_state["train works"] = {}
        st.rerun()
    st.session_state["train works"] = {name: works}


def _standing(name: str, about: About, works: bool) -> None:
    """Say how far it is, and offer to pause, go on and stop."""
    moment = trainings().moment(name)
    log = trainings().folder(name).notes("log") if moment is None else []
    step = moment.step if moment is not None else int(log[-1]["step"]) if log else 0
    said = f"Step {step:,} of {about.settings.steps:,}"
    if moment is not None:
        said += f", loss {moment.loss:.3g}"
    bar, first, second = st.columns([4, 1, 1], vertical_alignment="center")
    bar.progress(step / about.settings.steps, f"{said}. {STATES[about.state]}")
    paused = about.state == "paused"
    if works and not paused:
        first.button("Pause", on_click=lambda: trainings().pause(name), width="stretch")
    elif about.state != "done":
        first.button("Go on", on_click=lambda: _go_on(name), width="stretch")
    if works:
        second.button("Stop", on_click=lambda: trainings().stop(name), width="stretch")
    if about.state == "failed":
        st.error(literal(about.message))
    if problem := st.session_state.pop("train problem", ""):
        st.error(literal(problem))


def _go_on(name: str) -> None:
    try:
        trainings().go_on(name)
    except LoupeError as error:
        st.session_state["train problem"] = str(error)


def _curves(folder: RunFolder, about: About) -> None:
    """Draw what was noted so far."""
    task = TASKS[about.task]
    trials, selected = folder.notes("trials"), st.session_state.get("train shown")
    dark = is_dark()
    left, right = st.columns(2)
    left.plotly_chart(
        loss_figure(folder.notes("log"), trials, selected=selected, dark=dark),
        key="train loss",
        config=PLOTLY,
    )
    right.plotly_chart(
        share_figure(
            trials,
            scores_so_far(folder),
            name="score of the best head",
            goal=task.scored,
            uniform=st.session_state.get("train uniform"),
            selected=selected,
            dark=dark,
        ),
        key="train shares",
        config=PLOTLY,
    )


def _files(folder: RunFolder) -> None:
    """Offer the checkpoint that is looked at and TensorBoard's log."""
    step = st.session_state.get("train shown")
    checkpoint, board = st.columns(2)
    if step is not None:
        checkpoint.download_button(
            f"Download the checkpoint of step {step:,}",
            lambda: zipped(folder.checkpoint(step)),
            f"{folder.about().task}-step-{step}.zip",
            "application/zip",
            on_click="ignore",
            width="stretch",
        )
    board.download_button(
        "Download the TensorBoard log",
        lambda: zipped(folder.path / "tensorboard"),
        f"{folder.about().task}-tensorboard.zip",
        "application/zip",
        on_click="ignore",
        width="stretch",
    )


def zipped(folder: Path) -> bytes:
    """Pack the files of a folder; weights hardly shrink."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return packed.getvalue()
