"""A text that the model in use cannot read: said, with a model that can."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components.explore_session import acted, view
from components.panels.plain_text import literal
from components.session_state import remember
from viz.inputs.unknown_tokens import MUCH
from viz.models.catalogue import find_entry
from viz.service import Analysis
from viz.service.text_coverage import reader_of, unread_of


def unread_panel(analysis: Analysis) -> None:
    """Say how much of a text its model takes for unknown, and offer to run one that reads it."""
    said = unread_words(analysis)
    if not said:
        return
    st.warning(literal(said))
    reader = reader_of(analysis.request)
    if reader is not None:
        st.button(
            f"Run it on {reader.title}", on_click=_switch, args=(reader.name,), key="unread switch"
        )


def unread_words(analysis: Analysis, *, least: float = MUCH) -> str:
    """Say how much of a text its model takes for unknown, and which one reads it.

    Args:
        analysis: of the text.
        least: the share from which on it is said; nothing is never said.
    """
    found = unread_of(analysis)
    if found is None or found.share == 0 or found.share < least:
        return ""
    request = analysis.request
    entry = None if request.local else find_entry(request.model)
    said = found.said(request.model if entry is None else entry.title)
    reader = reader_of(request)
    if reader is None:
        return f"{said} Choose a model of this language."
    return f"{said} {reader.title} has tokens for all of it."


def _switch(model: str) -> None:
    """Run what is on screen on another model."""
    acted()
    remember("model", model)
    seen = view()
    # Another tokenizer counts other tokens.
    remember(
        "pending",
        replace(seen, model=model, local=False, revision="", token=-1, rows="", columns=""),
    )
