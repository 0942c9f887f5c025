"""What all sessions of the process share, and which trainings this session began or opened."""

from __future__ import annotations

import streamlit as st

from components.session_state import recall, recall_or_begin, remember
from viz.service.training_jobs import Trainings
from viz.training.training_log import Line, Notes

# How many trainings of a session are listed.
LISTED = 8


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


def list_training(name: str) -> None:
    """Let a training be listed in this session, the latest first; names are told to nobody else."""
    known: list[str] = recall("train names", [])
    remember("train names", [name, *(one for one in known if one != name)][:LISTED])


def known() -> list[str]:
    """Return the names of this session's trainings, the latest first."""
    names: list[str] = recall("train names", [])
    return names


def began(name: str) -> None:
    """Note that this session began a training, and may throw it away."""
    list_training(name)
    recall_or_begin("train began", set()).add(name)


def is_own(name: str) -> bool:
    """Whether this session began a training."""
    return name in recall("train began", ())


def unlist_training(name: str) -> None:
    """List a training no more."""
    remember("train names", [one for one in known() if one != name])
