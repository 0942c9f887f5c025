"""What all sessions of the process share: trainings, their examples, and what checkpoints look at."""

from __future__ import annotations

import streamlit as st

from viz.service.checkpoints import Checkpoints
from viz.service.trainings import Trainings


@st.cache_resource(show_spinner=False)
def trainings() -> Trainings:
    """Return the trainings of this process."""
    return Trainings()


@st.cache_resource(show_spinner=False)
def checkpoints() -> Checkpoints:
    """Return what was looked at of checkpoints."""
    return Checkpoints()
