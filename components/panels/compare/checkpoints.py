"""Steps from a beginning on: the checkpoints of a training, or models of which the first is the base."""

from __future__ import annotations

import streamlit as st

from components.panels.compare.listed import models_panel
from components.panels.compare.place import change, view
from components.panels.compare.run import Both
from components.panels.compare.trained import training_panel

ALONG = {"training": "Along a training", "models": "Along models"}


def checkpoints_panel(runs: Both) -> None:
    """Follow every head from the first of several steps on, and show one at two of them."""
    key = "compare along"
    st.session_state[key] = view().along
    st.segmented_control(
        "Steps",
        list(ALONG),
        key=key,
        required=True,
        format_func=lambda one: ALONG[one],
        label_visibility="collapsed",
        on_change=lambda: change(along=st.session_state[key], step=-1),
    )
    if view().along == "training":
        training_panel(runs)
    else:
        models_panel(runs)
