"""Heads: what every head of a model does over many texts."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link
from components.explore_session import arrived, leave
from components.panels.heads.heads_url import complaints, read_address, show, shown_name
from components.panels.heads.session_surveys import OWN
from components.panels.heads.survey_form import example_button, form_panel
from components.panels.heads.survey_progress import (
    heading_panel,
    others_panel,
    progress_panel,
    standing_of,
)
from components.panels.heads.survey_results import results_panel
from components.panels.link_notices import notice_box
from components.panels.title_row import title_row

# Where columns lie below each other, a survey that is shown comes before what else could be surveyed.
STYLE = """
@media (max-width: 640px) {
    .st-key-heads_page > * > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:nth-child(2),
    .st-key-heads_page > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:nth-child(2) {
        order: -1;
    }
}"""


def page() -> None:
    """Draw what to survey on the left, and the survey on the right."""
    leave()
    arrived("heads")
    if not st.query_params and OWN.known():
        # Come back from another page by the navigation: what was shown last goes on.
        show(OWN.known()[0])
    read_address()
    link = title_row("What every head does")
    name = shown_name()
    if name:
        with link:
            copy_link()
    problems = st.empty()
    with st.container(key="heads_page" if name else "heads_form"):
        asked, live = st.columns([1, 3.8 if name else 2.8], gap="medium")
    st.html(f"<style>{STYLE}</style>")
    with asked:
        form_panel()
        others_panel(name)
    with live:
        standing = standing_of(name) if name else None
        if standing is not None:
            heading_panel(name, standing)
            progress_panel(name, standing)
            results_panel(name)
        else:
            _empty()
    with problems.container():
        notice_box(complaints())


def _empty() -> None:
    """Say what will be here, and offer an example."""
    st.info(
        "Choose a model and texts, and press Start. What each head does over all of them appears here: a sentence, its "
        "scores beside chance, and examples that open in Explore. The survey goes on if you close the page, and the "
        "page's link leads back to it."
    )
    example_button()
