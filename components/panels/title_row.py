"""The first row of a page: what it is called, and its link."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def title_row(title: str) -> DeltaGenerator:
    """Draw a page's title, and return the place beside it, which a telephone has too."""
    with st.container(key="title_row"):
        heading, link = st.columns([5, 1], vertical_alignment="center")
    heading.header(title, anchor=False)
    return link
