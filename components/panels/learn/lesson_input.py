"""What the steps are worked on: a text, or numbers that somebody edits or pastes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from components.explore_session import page_link
from components.panels.learn.learn_url import touched
from components.panels.learn.lesson_state import NAMES, SAMPLE, TEXTBOOK, numbers_of, numbers_text
from components.panels.plain_text import literal
from components.session_state import recall, recall_or_begin, remember, remembers, take, value_of
from viz.analysis.matrix_input import matrix_of, read_matrix, written
from viz.analysis.worked_example import (
    MOST_HEADS,
    Lesson,
    numbers_lesson,
    text_lesson,
    textbook_lesson,
)
from viz.errors import LoupeError, TextTooLongError

TEXT, NUMBERS = "A text", "Numbers"

# Characters of an earlier text that are quoted.
QUOTED = 60

# The last numbers that could be worked, as `numbers_text` writes them; these are what a link holds.
WORKED = "learn numbers"


def source_panel() -> Lesson:
    """Ask for a text or numbers; what cannot be used is said, and the lesson before stays."""
    kind = st.segmented_control(
        "Work on",
        [TEXT, NUMBERS],
        key="learn source",
        required=True,
        persist_state="session",
        label_visibility="collapsed",
        on_change=touched,
    )
    memory = f"learn lesson {kind}"
    try:
        lesson = _of_text() if kind == TEXT else _of_numbers()
    except LoupeError as error:
        kept: Lesson | None = recall(memory)
        said = before(recall(f"{memory} text", "") if kind == TEXT else "")
        if kept is None:
            said = f"What you see below is the sample: {_quoted(SAMPLE)}."
            said = said if kind == TEXT else "What you see below is the textbook's."
        st.error(f"{literal(error.message)} {literal(error.hint)} {said}")
        if isinstance(error, TextTooLongError):
            page_link("Explore", "Open it in Explore →", text=value_of("learn text"))
        return kept or (text_lesson(SAMPLE) if kind == TEXT else textbook_lesson())
    remember(memory, lesson)
    remember(f"{memory} text", recall("learn text", ""))
    return lesson


def before(text: str) -> str:
    """Say that what is below is from before, and of which text."""
    return f"What you see below is from before{f': {_quoted(text)}' if text else ''}."


def _quoted(text: str) -> str:
    return literal(f"“{text if len(text) <= QUOTED else text[:QUOTED] + '…'}”")


def _of_text() -> Lesson:
    text = st.text_input(
        "Text",
        key="learn text",
        persist_state="session",
        on_change=touched,
        help="A word or a mark is a token here: a run of letters, where a script writes no blanks between "
        "words. Each has an embedding of its own, six numbers drawn "
        "from a seed that is the token itself, and the matrices are drawn once: nothing is trained, so "
        "look at how it is computed, and not at what it means.",
    )
    return text_lesson(text)


def _of_numbers() -> Lesson:
    """Show X and the three matrices to be edited.

    Raises:
        LoupeError: a cell is no number, or the matrices do not fit.
    """
    st.caption(
        "Change any cell, add or delete rows, or paste matrices of your own. At first these are the "
        "textbook's numbers."
    )
    frames = [_editor(name, place) for name, place in zip(NAMES, st.columns(4), strict=True)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        heads = st.number_input(
            "Heads",
            1,
            MOST_HEADS,
            key="learn heads",
            persist_state="session",
            width=140,
            on_change=touched,
        )
        with st.popover("Paste numbers"):
            _pasting()
        st.button("Textbook numbers", on_click=_restore)
    if (failure := take("learn pasted wrong")) is not None:
        raise failure
    given = {
        name: matrix_of(name, frame.to_numpy(dtype=object).tolist())
        for name, frame in zip(NAMES, frames, strict=True)
    }
    lesson = numbers_lesson(*given.values(), heads=int(heads))
    remember(WORKED, numbers_text(given))
    return lesson


def _editor(name: str, place: DeltaGenerator) -> pd.DataFrame:
    """Show one matrix to be edited, and return it as it is now: cells are texts, as they were typed."""
    given, edited = value_of("learn given"), value_of("learn edited")
    # Edits are kept as differences from the frame given first: a new frame needs a new key, and an
    # editor that was not drawn for a while begins with what it ended with.
    key = f"learn {name} {value_of('learn versions')[name]}"
    if not remembers(key):
        given[name] = edited[name]
    frame: pd.DataFrame = given[name]
    place.markdown(f"**{literal(name)}** {len(edited[name])} × {len(frame.columns)}")
    edited[name] = place.data_editor(
        frame,
        key=key,
        num_rows="dynamic",
        hide_index=True,
        on_change=touched,
        # A column of numbers would drop what is no digit while it is typed: 1,5 would become 15.
        column_config={
            column: st.column_config.TextColumn(column, width=40, alignment="right")
            for column in frame.columns
        },
    )
    return edited[name]


def _pasting() -> None:
    st.selectbox("Matrix", NAMES, key="learn pasted name", on_change=touched)
    st.text_area(
        "Numbers",
        key="learn pasted",
        placeholder="1 0 1\n0 1 0\n1 1 1",
        on_change=touched,
        help="A row a line, numbers with spaces or commas, decimals with a point; [[1, 0], [0, 1]] is "
        "read too.",
    )
    st.button("Use them", on_click=_take, type="primary")


def _take() -> None:
    touched()
    name = value_of("learn pasted name")
    try:
        _put({name: read_matrix(name, value_of("learn pasted"))})
    except LoupeError as error:
        remember("learn pasted wrong", error)


def _put(matrices: Mapping[str, Tensor]) -> None:
    """Let matrices be what their editors begin with."""
    versions = recall_or_begin("learn versions", {})
    for name, matrix in matrices.items():
        columns = [str(column + 1) for column in range(matrix.shape[1])]
        cells = [[written(number) for number in row] for row in matrix.tolist()]
        frame = pd.DataFrame(cells, columns=columns)
        for kept in ("learn given", "learn edited"):
            recall_or_begin(kept, {})[name] = frame
        versions[name] = versions.get(name, -1) + 1


def _restore() -> None:
    """Let all matrices be those of the textbook."""
    touched()
    put_numbers(TEXTBOOK, 1)


def put_numbers(line: str, heads: int) -> None:
    """Let all matrices be what `numbers_text` wrote."""
    remember("learn heads", heads)
    remember(WORKED, line)
    _put(numbers_of(line))
