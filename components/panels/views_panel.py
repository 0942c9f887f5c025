"""The views that are drawn once somebody opens them."""

from __future__ import annotations

from functools import partial

import streamlit as st

from components.explore_session import change, view, write_link
from components.head_views import HEAD_VIEWS
from components.panels import effects_view, lines_view, logit_lens_view  # noqa: F401 - add their views; a new one is named in this line
from components.panels.run_input import shown
from components.session_state import chosen, key_showing, take

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
        part = st.expander(
            one.title,
            key=key_showing(f"{one.name} open", one.name in _opened()),
            on_change=partial(_note, one.name),
        )
        if part.open:
            with part:
                one.draw(analysis)
    write_link()
    if take(CHOSE, False):
        st.rerun()


def _opened() -> list[str]:
    """Name the views that are open."""
    return [name for name in view().open.split(",") if name]


def _note(name: str) -> None:
    """Let the link say that a view was opened, or closed."""
    others = [one for one in _opened() if one != name]
    change(open=",".join([*others, name] if chosen(f"{name} open") else others))
