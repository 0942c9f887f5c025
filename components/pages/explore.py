"""Explore: paste a text, see where every head looks."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link
from components.panels.head import numbers_panel, pattern_panel
from components.panels.request import foreseen, request_panel, take_request
from components.panels.run import failure_panel, run, shown
from components.panels.tokens import display_panel, tokens_panel
from components.panels.whole import grid_panel, overview_panel, prediction_panel
from components.session import change, request_of, view, write_link
from viz.capture import Stack

STYLE = "<style>.stMainBlockContainer { padding-top: 2.5rem; padding-bottom: 3rem; }</style>"


def page() -> None:
    """Draw the page; on the first visit the linked or the sample text is run at once."""
    st.html(STYLE)
    title, link = st.columns([5, 1], vertical_alignment="center")
    title.header("Attention Loupe", anchor=False)
    with link:
        copy_link()
    if "pending" not in st.session_state:
        st.session_state.pending = request_of(view())
    if request_panel():
        take_request()
        st.session_state.pending = request_of(view())
    foreseen_line = st.empty()
    if st.session_state.pending is not None:
        run(st.session_state.pending)
    foreseen_line.caption(foreseen())
    failure_panel()
    for notice in st.session_state.get("notices", []):
        st.warning(notice)
    explorer()


@st.fragment
def explorer() -> None:
    """Draw everything about the result on screen; a click here redraws only this."""
    analysis = shown()
    if analysis is None:
        st.info("Nothing to show yet: choose an example or paste a text, then press Run.")
        return
    _keep_selection_inside(analysis.trace.stacks["self"])
    tokens_panel(analysis)
    display_panel()
    grid, pattern, numbers = st.columns([1.1, 1.5, 0.8], gap="medium")
    with grid:
        grid_panel(analysis)
    with pattern:
        pattern_panel(analysis)
    with numbers:
        numbers_panel(analysis)
    prediction, overview = st.columns([1, 2], gap="medium")
    with prediction:
        prediction_panel(analysis)
    with overview:
        overview_panel(analysis)
    write_link()


def _keep_selection_inside(stack: Stack) -> None:
    """Move a selection that this model does not have to the nearest that it has."""
    seen = view()
    layer = min(seen.layer, stack.layers - 1)
    head = min(seen.head, stack.heads(layer) - 1)
    if (layer, head) != (seen.layer, seen.head):
        change(layer=layer, head=head)
