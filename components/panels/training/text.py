"""A text to learn from: one that comes with the app, a file, or what is pasted."""

from __future__ import annotations

import streamlit as st

from components.panels.literal import literal
from viz.errors import LoupeError, TextError
from viz.training.shipped import TEXTS, text_of
from viz.training.texts import MOST_CHARACTERS, read_text, require_learnable

# A file in bytes; a letter of any script takes four at most.
MOST_BYTES = 4 * MOST_CHARACTERS

OWN = {"file": "A file of your own", "pasted": "A text that you paste"}


def text_panel(default: str) -> tuple[str | None, bool]:
    """Ask for a text.

    Args:
        default: of the texts that come with the app, the one that the task takes by itself.

    Returns:
        The text, None for the task's own; and whether there is one that can be learnt from.
    """
    titles = {**TEXTS, **OWN}
    chosen = st.selectbox(
        "Text",
        [default, *(name for name in titles if name != default)],
        key="train source",
        format_func=lambda name: titles[name],
        persist_state="session",
    )
    try:
        if chosen == default:
            return None, True
        if chosen in TEXTS:
            return text_of(chosen), True
        text = _file() if chosen == "file" else _pasted()
        if text is None:
            return None, False
        require_learnable(text)
    except LoupeError as error:
        st.error(literal(f"{error.message} {error.hint}"))
        return None, False
    more = f"; the first {MOST_CHARACTERS:,} are used" if len(text) > MOST_CHARACTERS else ""
    st.caption(f"{len(text):,} characters{more}.")
    return text, True


def _file() -> str | None:
    # Any kind may be given: what is no text is said to be none.
    given = st.file_uploader(
        "A text in UTF-8", key="train text", max_upload_size=MOST_BYTES // 1_000_000
    )
    if given is None:
        return None
    if given.size > MOST_BYTES:
        raise TextError(
            f"The file {given.name[:60]} has {given.size / 1e6:,.0f} MB.",
            f"Give at most {MOST_BYTES / 1e6:,.0f} MB.",
        )
    return read_text(given.getvalue(), given.name)


def _pasted() -> str | None:
    text = st.text_area(
        "Your text",
        key="train pasted",
        height=160,
        max_chars=MOST_CHARACTERS,
        persist_state="session",
    )
    return text or None
