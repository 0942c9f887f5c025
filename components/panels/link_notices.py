"""What a link asked for and cannot have: all of it in one box."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from components.panels.plain_text import literal


def notice_box(sentences: Iterable[str]) -> None:
    """Say some sentences in one box, each once; nothing where there are none."""
    said = [literal(one) for one in dict.fromkeys(sentences) if one]
    if len(said) == 1:
        st.warning(said[0])
    elif said:
        st.warning("\n".join(f"- {one}" for one in said))
