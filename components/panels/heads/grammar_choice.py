"""Which spaCy pipeline reads along with a survey, of those that are installed where the app runs."""

from __future__ import annotations

import streamlit as st

from components.panels.heads.survey_labels import HELP
from viz.survey.grammar.pipelines import installed_pipelines

NOT_READ = ""


def grammar_choice() -> str | None:
    """Offer the installed pipelines; None where there is none, or none is wanted."""
    versions = installed_pipelines()
    if not versions:
        return None
    chosen = st.selectbox(
        "Parts of speech and relations",
        [NOT_READ, *versions],
        key="heads grammar",
        format_func=lambda name: f"{name} {versions[name]}" if name else "not measured",
        help=HELP["grammar"],
        persist_state="session",
    )
    return chosen or None
