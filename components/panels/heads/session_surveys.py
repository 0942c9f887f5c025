"""What all sessions of the process share, and which surveys this session began or opened."""

from __future__ import annotations

import hashlib

import streamlit as st

from components.session_state import recall, recall_or_begin, remember
from viz.service import shared_workbench
from viz.service.browser_sessions import COOKIE
from viz.service.survey_jobs import Surveys

# How many surveys of a session are listed.
LISTED = 8


@st.cache_resource(show_spinner=False)
def surveys() -> Surveys:
    """Return the surveys of this process."""
    return Surveys(shared_workbench().model)


def list_survey(name: str) -> None:
    """Let a survey be listed in this session, in the order in which they came; names are told to nobody else."""
    if name not in known():
        remember("heads names", [name, *known()][:LISTED])


def known() -> list[str]:
    """Return the names of this session's surveys, the latest first."""
    names: list[str] = recall("heads names", [])
    return names


def began(name: str) -> None:
    """Note that this session began a survey, and may throw it away."""
    list_survey(name)
    recall_or_begin("heads began", set()).add(name)


def is_own(name: str, browser: str) -> bool:
    """Whether this session, or this browser before, began a survey; `browser` is noted with it."""
    return name in recall("heads began", ()) or bool(browser and browser == this_browser())


def this_browser() -> str:
    """Return a digest of what this browser is called by its cookie; empty where it has none."""
    name = st.context.cookies.get(COOKIE, "")
    if not isinstance(name, str) or not name:
        return ""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def unlist_survey(name: str) -> None:
    """List a survey no more."""
    remember("heads names", [one for one in known() if one != name])
