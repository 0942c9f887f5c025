"""What all sessions of the process share of trainings, and which of them this session began or opened."""

from __future__ import annotations

import streamlit as st

from components.panels.session_works import SessionWorks
from components.session_state import recall_or_begin
from viz.service.training_jobs import Trainings
from viz.training.training_log import Line, Notes

OWN = SessionWorks("train")


@st.cache_resource(show_spinner=False)
def trainings() -> Trainings:
    """Return the trainings of this process."""
    return Trainings()


def notes(name: str, log: str) -> list[Line]:
    """Read a log of a training, from where this session stopped reading."""
    kept: dict[tuple[str, str], Notes] = recall_or_begin("train notes", {})
    if (name, log) not in kept:
        kept[name, log] = trainings().folder(name).growing(log)
    return kept[name, log].read()
