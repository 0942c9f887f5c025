"""Explore: paste a text, see where every head looks."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link, drafts, text_guard
from components.explore_session import (
    arrived,
    forget_link,
    keep_inside,
    request_of,
    view,
    went_back,
    write_link,
)
from components.panels.grid_panel import grid_panel, is_wide
from components.panels.head_panel import numbers_panel, pattern_panel
from components.panels.input_form import (
    asked,
    foreseen,
    forget_inputs,
    is_changed,
    is_outdated,
    request_panel,
)
from components.panels.link_notices import notice_box
from components.panels.media_panel import looks_panel
from components.panels.overview_panel import (
    overview_panel,
    prediction_panel,
    stack_panel,
    written_panel,
)
from components.panels.run_input import RUN, failure_panel, run, shown
from components.panels.title_row import title_row
from components.panels.unread_text import unread_panel
from components.panels.views_panel import views_panel
from components.selection_limits import is_mapped
from components.session_state import recall, remember, remembers, value_of

# Room for the progress bar, or for what the run will cost, in pixels.
LINE = 56


def page() -> None:
    """Draw the page; on the first visit the linked or the sample text is run at once."""
    arrived("explore")
    link = title_row("Attention Loupe")
    with link:
        copy_link()
        text_guard()
    typed = is_changed()
    if went_back():
        if not typed:
            forget_inputs()
        seen = view()
        remember("pending", None if request_of(seen) == value_of("shown") else seen)
    if not remembers("pending"):
        remember("pending", view())
    if request_panel():
        forget_link()
        remember("pending", asked())
    # One place of one height, so that nothing below moves while a run is on.
    line, problems = st.container(height=LINE, border=False).empty(), st.container()
    if value_of("pending") is not None:
        run(value_of("pending"), line)
        if is_outdated():
            st.rerun()
    line.caption(foreseen())
    if (analysis := shown()) is not None:
        keep_inside(analysis.trace.stacks)
    with problems:
        failure_panel()
        notice_box(recall("notices", []))
        if analysis is not None:
            unread_panel(analysis)
    with st.container():
        explorer()
    with link:
        drafts({"Text": view().text, "Second text": view().pair})


@st.fragment
def explorer() -> None:
    """Draw everything about the result on screen; a click here redraws only this."""
    analysis = shown()
    if analysis is None:
        if RUN.failure is not None:
            return  # the error above says what to do
        gone = "The result was let go to make room for others: press Run to see it again."
        empty = "Nothing to show yet: choose an example, or give the model something to read and press Run."
        st.info(gone if remembers("shown") else empty)
        return
    keep_inside(analysis.trace.stacks)
    stack_panel(analysis)
    written_panel(analysis)
    looks_panel(analysis)
    stack = analysis.trace.stacks[view().stack]
    # A map wants room, and so do many heads; what stands beside them does with less, or below.
    wide = is_wide(stack)
    if wide:
        grid, pattern = st.columns([1.0, 1.1], gap="medium")
        numbers, overview = st.columns([1.0, 2.4], gap="medium")
        prediction = numbers
    else:
        shares = [0.75, 2.1, 0.65] if is_mapped(stack) else [1.0, 1.6, 0.8]
        grid, pattern, numbers = st.columns(shares, gap="medium")
    with grid:
        grid_panel(analysis)
    with pattern:
        pattern_panel(analysis)
    with numbers:
        numbers_panel(analysis)
    views_panel()
    if not wide and analysis.predictions is not None:
        prediction, overview = st.columns([1.0, 2.4], gap="medium")
    elif not wide:
        overview = prediction = st.container()
    if analysis.predictions is not None:
        with prediction:
            prediction_panel(analysis, analysis.predictions)
    with overview:
        overview_panel(analysis)
    write_link()
