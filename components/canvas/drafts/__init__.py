"""Keeps what is typed and not yet run in the browser's tab, so that loading the page anew does not lose it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.canvas.shared.payload import module


def drafts(texts: Mapping[str, str]) -> None:
    """Watch text fields; draws nothing.

    Args:
        texts: what the address says of each field, by its label. What is typed over that is put back where
            the page is loaded anew and its address still says the same.
    """
    component = st.components.v2.component(
        "loupe_drafts", html="<span hidden></span>", js=module("drafts")
    )
    component(key="drafts", data={"texts": dict(texts)}, height=0)
