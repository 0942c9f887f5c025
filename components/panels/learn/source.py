"""What the steps are worked on: a text, or numbers that somebody edits or pastes."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from components.panels.literal import literal
from viz.analysis.lesson import Lesson, numbers_lesson, text_lesson, textbook_lesson
from viz.analysis.numbers import matrix_of, read_matrix
from viz.errors import LoupeError

TEXT, NUMBERS = "A text", "Numbers"
SAMPLE = "the cat sat on the mat"
NAMES = ("X", "W_Q", "W_K", "W_V")
KEPT = "What you see below is from before."


def source_panel() -> Lesson:
    """Ask for a text or numbers; what cannot be used is said, and the lesson before stays."""
    kind = st.segmented_control(
        "Work on",
        [TEXT, NUMBERS],
        key="learn source",
        default=TEXT,
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    memory = f"learn lesson {kind}"
    try:
        lesson = _of_text() if kind == TEXT else _of_numbers()
    except LoupeError as error:
        kept: Lesson | None = st.session_state.get(memory)
        st.error(f"{literal(error.message)} {literal(error.hint)} {KEPT}")
        lesson = kept or (text_lesson(SAMPLE) if kind == TEXT else textbook_lesson())
    st.session_state[memory] = lesson
    return lesson


def _of_text() -> Lesson:
    text = st.text_input(
        "Text",
        SAMPLE,
        key="learn text",
        persist_state="session",
        help="A word or a mark is a token here. Each has an embedding of its own, six numbers drawn "
        "from a seed that is the word itself, and the matrices are drawn once: nothing is trained, so "
        "look at how it is computed, and not at what it means.",
    )
    return text_lesson(text)


def _of_numbers() -> Lesson:
    """Show X and the three matrices to be edited.

    Raises:
        LoupeError: a cell is no number, or the matrices do not fit.
    """
    _seed()
    st.caption(
        "Change any cell, add or delete rows, or paste matrices of your own. At first these are the "
        "textbook's numbers."
    )
    frames = [_editor(name, place) for name, place in zip(NAMES, st.columns(4), strict=True)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        heads = st.number_input(
            "Heads", 1, 12, key="learn heads", persist_state="session", width=140
        )
        with st.popover("Paste numbers"):
            _pasting()
        st.button("Textbook numbers", on_click=_restore)
    if (failure := st.session_state.pop("learn pasted wrong", None)) is not None:
        raise failure
    tokens, query, key, value = (
        matrix_of(name, frame.to_numpy(dtype=object).tolist())
        for name, frame in zip(NAMES, frames, strict=True)
    )
    return numbers_lesson(tokens, query, key, value, heads=int(heads))


def _editor(name: str, place: DeltaGenerator) -> pd.DataFrame:
    """Show one matrix to be edited, and return it as it is now."""
    given, edited = st.session_state["learn given"], st.session_state["learn edited"]
    # Edits are kept as differences from the frame given first: a new frame needs a new key, and an
    # editor that was not drawn for a while begins with what it ended with.
    key = f"learn {name} {st.session_state['learn versions'][name]}"
    if key not in st.session_state:
        given[name] = edited[name]
    frame: pd.DataFrame = given[name]
    place.markdown(f"**{literal(name)}** {len(edited[name])} × {len(frame.columns)}")
    edited[name] = place.data_editor(
        frame,
        key=key,
        num_rows="dynamic",
        hide_index=True,
        column_config={
            column: st.column_config.NumberColumn(column, width=40, format="%.4g")
            for column in frame.columns
        },
    )
    return edited[name]


def _pasting() -> None:
    st.selectbox("Matrix", NAMES, key="learn pasted name")
    st.text_area(
        "Numbers",
        key="learn pasted",
        placeholder="1 0 1\n0 1 0\n1 1 1",
        help="A row a line, numbers with spaces or commas; [[1, 0], [0, 1]] is read too.",
    )
    st.button("Use them", on_click=_take, type="primary")


def _take() -> None:
    name = st.session_state["learn pasted name"]
    try:
        _put(name, read_matrix(name, st.session_state["learn pasted"]))
    except LoupeError as error:
        st.session_state["learn pasted wrong"] = error


def _put(name: str, matrix: Tensor) -> None:
    """Let a matrix be what its editor begins with."""
    columns = [str(column + 1) for column in range(matrix.shape[1])]
    frame = pd.DataFrame(matrix.numpy(), columns=columns)
    st.session_state["learn given"][name] = st.session_state["learn edited"][name] = frame
    st.session_state["learn versions"][name] += 1


def _restore() -> None:
    """Let all matrices be those of the textbook."""
    lesson = textbook_lesson()
    given = (lesson.embeddings, lesson.query, lesson.key, lesson.value)
    st.session_state["learn heads"] = lesson.heads
    for name, matrix in zip(NAMES, given, strict=True):
        _put(name, matrix)


def _seed() -> None:
    if "learn versions" in st.session_state:
        return
    st.session_state["learn versions"] = dict.fromkeys(NAMES, 0)
    st.session_state["learn given"], st.session_state["learn edited"] = {}, {}
    _restore()
