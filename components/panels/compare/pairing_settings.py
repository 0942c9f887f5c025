"""How heads are taken together, and what belongs together."""

from __future__ import annotations

import streamlit as st

from components.panels.compare.compare_url import change, named, view
from components.session_state import value_of


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
            on_change=lambda: change(aggregate=value_of(aggregate)),
        )
        if seen.first.media and seen.second.media:
            # Patches and frames belong together by where and when they are.
            return
        words = named("words", seen.words)
        st.toggle(
            "Compare words, not their parts",
            seen.words,
            key=words,
            on_change=lambda: change(words=value_of(words), row=-1, span=""),
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
        on_change=lambda: change(how=value_of(how), row=-1, span=""),
    )
    st.text_area(
        "Or say it, one pair a line",
        seen.pairing,
        key=pairing,
        placeholder="animal = Tier\nthe street = die Straße",
        disabled=seen.how == "position",
        on_change=lambda: change(pairing=value_of(pairing), row=-1, span=""),
    )
