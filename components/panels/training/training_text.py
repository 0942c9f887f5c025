"""A text to learn from: one that comes with the app, a file, or what is pasted."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from components.panels.plain_text import literal
from components.panels.training.training_labels import HELP
from components.run_panel import in_words
from components.session_state import recall, remember
from viz.errors import LoupeError
from viz.training.bundled_data import TEXTS, text_of
from viz.training.user_text import MOST_CHARACTERS, read_text, require_learnable, require_small

OWN = {"file": "A file of your own", "pasted": "A text that you paste"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A text to learn from.

    Attributes:
        text: None for the task's own, and where there is none.
        name: what its user calls it; empty for the task's own.
        is_there: whether there is one that can be learnt from.
    """

    text: str | None = None
    name: str = ""
    is_there: bool = True


NOTHING = Chosen(is_there=False)


def text_panel(default: str) -> Chosen:
    """Ask for a text.

    Args:
        default: of the texts that come with the app, the one that the task takes by itself.
    """
    titles = {**TEXTS, **OWN}
    again: tuple[str, str | None] | None = recall("train text again")
    if again is not None:
        titles["again"] = f"{again[0]}, as in the training"
    chosen = st.selectbox(
        "Text",
        [default, *(name for name in titles if name != default)],
        key="train source",
        format_func=lambda name: titles[name],
        help=HELP["text"],
        persist_state="session",
    )
    try:
        if chosen == default:
            return Chosen()
        if chosen in TEXTS:
            return Chosen(text_of(chosen), TEXTS[chosen])
        if chosen == "again" and again is not None:
            name, text = again
        else:
            name, text = _file() if chosen == "file" else _pasted()
        if not text:
            return NOTHING
        require_learnable(text)
    except LoupeError as error:
        st.error(in_words(error))
        return NOTHING
    more = f"; the first {MOST_CHARACTERS:,} are used" if len(text) > MOST_CHARACTERS else ""
    st.caption(literal(f"In use: {name}, {len(text):,} characters{more}."))
    return Chosen(text, name)


def use_text(name: str, text: str | None, default: str) -> None:
    """Choose the text of a training again.

    Args:
        name: what its user called it.
        text: None for the task's own.
        default: what the task's own is called among those that come with the app.
    """
    known = {title: one for one, title in TEXTS.items()}
    if text is None or (name in known and text_of(known[name]) == text):
        remember("train source", default if text is None else known[name])
    else:
        remember("train text again", (name or "The text", text))
        remember("train source", "again")


def _file() -> tuple[str, str | None]:
    # Any kind may be given: what is no text is said to be none.
    # The app's own bound on files is above that of texts, so that most that are too large come, and it is
    # said here: of those that a browser does not even send, the file before stays in use.
    given = st.file_uploader(
        "A text in UTF-8",
        key="train text",
        help=f"A file of up to {MOST_CHARACTERS:,} characters; what is longer is cut there.",
    )
    if given is None:
        return "", None
    require_small(given.size, given.name)
    return given.name, read_text(given.getvalue(), given.name)


def _pasted() -> tuple[str, str | None]:
    text = st.text_area(
        "Your text",
        key="train pasted",
        height=160,
        help=f"Up to {MOST_CHARACTERS:,} characters. A longer text holds more to learn from.",
        max_chars=MOST_CHARACTERS,
        persist_state="session",
    )
    return "your text", text or None
