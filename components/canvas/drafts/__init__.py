"""Keeps what is typed and not yet run in the browser's tab, so that loading the page anew does not lose it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import streamlit as st

from components.canvas.shared.payload import module
from components.session_state import recall_or_begin

NAME_BYTES = 8


def drafts(texts: Mapping[str, str]) -> None:
    """Watch text fields; draws nothing.

    Args:
        texts: what the address says of each field, by its label. What is typed over that is put back where
            the page is loaded anew and its address still says the same, and where the server was started anew.
    """
    # Another name than before tells a page that is still open that the server knows nothing of it any more.
    session = recall_or_begin("drafts session", secrets.token_hex(NAME_BYTES))
    component = st.components.v2.component(
        "loupe_drafts", html="<span hidden></span>", js=module("drafts")
    )
    component(
        key="drafts",
        data={"texts": dict(texts), "session": session},
        height=0,
        on_back_change=lambda: None,
    )
