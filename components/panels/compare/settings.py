"""How heads are taken together, and what belongs together."""

from __future__ import annotations

import streamlit as st

from components.panels.compare.place import change, named, view


def settings_panel(*, pairing: bool) -> None:
    """Ask how heads are taken together and what belongs together."""
    seen = view()
    with st.popover("Settings"):
        aggregate = named("aggregate", seen.aggregate)
        st.segmented_control(
            "Several heads become one by",
            ["mean", "max"],
            default=seen.aggregate,
            key=aggregate,
            required=True,
            on_change=lambda: change(aggregate=st.session_state[aggregate]),
        )
        if seen.first.media and seen.second.media:
            # Patches and frames belong together by where and when they are.
            return
        words = named("words", seen.words)
        st.toggle(
            "Compare words, not their parts",
            seen.words,
            key=words,
            on_change=lambda: change(words=st.session_state[words], row=-1, span=""),
        )
        if pairing:
            pairing_panel()


def pairing_panel() -> None:
    """Ask what belongs together."""
    seen = view()
    how, pairing = named("how", seen.how), named("pairing", seen.pairing)
    st.segmented_control(
        "What belongs together",
        ["text", "position"],
        default=seen.how,
        key=how,
        required=True,
        format_func=lambda one: {"text": "the same words", "position": "the same position"}[one],
        on_change=lambda: change(how=st.session_state[how], row=-1, span=""),
    )
    st.text_area(
        "Or say it, one pair a line",
        seen.pairing,
        key=pairing,
        placeholder="animal = Tier\nthe street = die Straße",
        disabled=seen.how == "position",
        on_change=lambda: change(pairing=st.session_state[pairing], row=-1, span=""),
    )
