"""A button that copies the address of what is seen."""

from __future__ import annotations

import streamlit as st

from components.canvas.shared.payload import module, style

HTML = '<button type="button">Copy link</button>'


def copy_link() -> None:
    """Put the page's address, which holds the whole view, on the clipboard."""
    component = st.components.v2.component(
        "loupe_copy_link", html=HTML, css=style("copy_link"), js=module("copy_link")
    )
    component(key="copy_link")
