"""Train: a small model learns a task, and its attention is watched being born."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link
from components.explore_session import arrived, leave
from components.panels.link_notices import notice_box
from components.panels.title_row import title_row
from components.panels.training.session_trainings import OWN
from components.panels.training.train_url import complaints, read_address, show
from components.panels.training.training_form import form_panel
from components.panels.training.training_progress import training_panel

# The table lets what is below it begin higher. Where columns lie below each other, a training that is shown comes before what else could be trained, and
# each number of its table before its goal and what to compare it with.
STYLE = """
.st-key-train_scores table { font-size: 0.875rem; }
.st-key-train_scores :is(th, td) { padding: 0.2rem 0.6rem; }
@media (min-width: 1100px) {
    .st-key-train_scores td:nth-child(-n + 3) { white-space: nowrap; }
}
@media (max-width: 640px) {
    .st-key-train_page > * > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:nth-child(2),
    .st-key-train_page > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:nth-child(2) {
        order: -1;
    }
    .st-key-train_scores :is(table, tbody) { display: block; }
    .st-key-train_scores thead { display: none; }
    .st-key-train_scores tr { display: grid; grid-template-columns: 1fr auto; padding: 0.4rem 0; }
    .st-key-train_scores td { border: 0; padding: 0.1rem 0.4rem; }
    .st-key-train_scores td:nth-child(3)::before { content: "goal "; }
    .st-key-train_scores td:nth-child(4):not(:empty) { grid-column: 1 / -1; grid-row: 3; }
}"""


def page() -> None:
    """Draw what to train on the left, and the training on the right."""
    leave()
    arrived("train")
    if not st.query_params and OWN.known():
        # Come back from another page by the navigation: what was shown last goes on.
        show(OWN.known()[0])
    read_address()
    link = title_row("Train a small model")
    if "run" in st.query_params:
        with link:
            copy_link()
    problems = st.empty()
    with st.container(key="train_page" if "run" in st.query_params else "train_form"):
        asked, live = st.columns([1, 2.8], gap="medium")
    st.html(f"<style>{STYLE}</style>")
    with asked:
        form_panel()
    with live:
        training_panel()
    with problems.container():
        notice_box(complaints())
