"""Learn: self-attention itself, step by step, and what it costs and replaces."""

from __future__ import annotations

import streamlit as st

from components.canvas import copy_link
from components.explore_session import arrived, leave
from components.link_parameters import known_names
from components.panels.learn.approximations import PARAMETERS as CHEAPER
from components.panels.learn.approximations import cheaper_panel
from components.panels.learn.attention_steps import steps_panel
from components.panels.learn.further_reading import reading_panel
from components.panels.learn.learn_url import (
    come_back,
    forget_notes,
    keep,
    note_unknown,
    noted,
    place_control,
    was_touched,
)
from components.panels.learn.lesson_state import PARAMETERS
from components.panels.learn.recurrence_vs_attention import recurrence_panel
from components.panels.learn.textbook_example import textbook_panel
from components.panels.learn.uses_of_attention import USUAL, uses_panel
from components.panels.link_notices import notice_box
from components.panels.title_row import title_row

SECTIONS = {
    "steps": ("Step by step", steps_panel),
    "textbook": ("Textbook example", textbook_panel),
    "why": ("Why attention", recurrence_panel),
    "cheaper": ("Making it cheaper", cheaper_panel),
    "uses": ("Where it is used", uses_panel),
    "reading": ("Questions, words, papers", reading_panel),
}

# Every parameter of a link to Learn.
KNOWN = ("section", "step", *PARAMETERS, *CHEAPER, *known_names(USUAL, USUAL))


def page() -> None:
    """Draw the page: one section at a time."""
    leave()
    if arrived("learn"):
        come_back()
    link = title_row("Learn self-attention")
    with link:
        copy_link()
    forget_notes()
    note_unknown(KNOWN)
    section = place_control("section", "Section", list(SECTIONS), lambda name: SECTIONS[name][0])
    keep()
    _section(section)
    # Not every section asks; what is left would be taken for the next run's.
    was_touched()


@st.fragment
def _section(name: str) -> None:
    """Draw a section, with what the link asks for in vain above it; a choice in it redraws only this."""
    problems = st.empty()
    SECTIONS[name][1]()
    with problems.container():
        notice_box(noted())
