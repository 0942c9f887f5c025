"""Train: a small model learns a task, and its attention is watched being born."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link
from components.panels.training.form import form_panel
from components.panels.training.live import training_panel
from components.panels.training.shared import known, show
from components.session import arrived, leave


def page() -> None:
    """Draw what to train on the left, and the training on the right."""
    leave()
    arrived("train")
    if not st.query_params and known():
        # Come back from another page by the navigation: what was shown last goes on.
        show(known()[0])
    title, link = st.columns([5, 1], vertical_alignment="center")
    title.header("Train a small model", anchor=False)
    if "run" in st.query_params:
        with link:
            copy_link()
    asked, live = st.columns([1, 2.8], gap="medium")
    with asked:
        form_panel()
    with live:
        training_panel()
