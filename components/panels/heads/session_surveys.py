"""What all sessions of the process share of surveys, and which of them this session began or opened."""

from __future__ import annotations

import streamlit as st

from components.panels.session_works import SessionWorks
from viz.service import shared_workbench
from viz.service.survey_jobs import Surveys

OWN = SessionWorks("heads")


@st.cache_resource(show_spinner=False)
def surveys() -> Surveys:
    """Return the surveys of this process."""
    return Surveys(shared_workbench().model)
