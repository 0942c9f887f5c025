"""Where somebody is on the Learn page: in the URL, so that a link leads there and Back undoes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def place(name: str, options: Sequence[str]) -> str:
    """Return which of some options is open: as the URL says, or the first."""
    asked = st.query_params.get(name, "")
    return asked if asked in options else options[0]


def go(name: str, option: str) -> None:
    """Open one of the options."""
    st.query_params[name] = option


def place_control(
    name: str, label: str, options: Sequence[str], titles: Callable[[str], str]
) -> str:
    """Let one of some options be chosen, and return which is open."""
    key = f"learn {name} control"
    st.session_state[key] = place(name, options)
    st.segmented_control(
        label,
        options,
        key=key,
        required=True,
        format_func=titles,
        label_visibility="collapsed",
        wrap=True,
        on_change=lambda: go(name, st.session_state[key]),
    )
    return place(name, options)
