"""The views that are drawn once somebody opens them."""

from __future__ import annotations

import streamlit as st

from components.head_views import HEAD_VIEWS
from components.panels import effects_view, lines_view, logit_lens_view  # noqa: F401 - add their views; a new one is named in this line
from components.panels.run_input import shown
from components.session_state import take

# Under which a view notes that it changed what other panels show.
CHOSE = "view chose"


@st.fragment
def views_panel() -> None:
    """Offer the views; nothing is computed until somebody opens one.

    Opening one redraws nothing else; a choice that others show too redraws the page.
    """
    analysis = shown()
    if analysis is None:
        return
    for one in HEAD_VIEWS.values():
        if not one.fits(analysis):
            continue
        opened = st.expander(one.title, key=f"{one.name} open", on_change="rerun")
        if opened.open:
            with opened:
                one.draw(analysis)
    if take(CHOSE, False):
        st.rerun()
