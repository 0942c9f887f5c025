"""*Step by step* and the address: what a link says goes into the page, what is changed into the link."""

from __future__ import annotations

import streamlit as st

from components.panels.learn.place import keep, was_touched
from components.panels.learn.source import NUMBERS, TEXT, WORKED, put_numbers
from components.panels.learn.work import LEFT_OUT, PARAMETERS, Work, from_query, to_query
from components.panels.literal import literal
from components.session import texts
from viz.errors import StorageError

WORDS = {"text": TEXT, "numbers": NUMBERS}

# What was read or written last, what that means, and what could not be used of it.
KNOWN, MEANT, PROBLEMS = "learn known", "learn meant", "learn problems"


def switch_key(name: str) -> str:
    """Name the widget of a switch."""
    return f"learn switch {name}"


def receive() -> None:
    """Take over what the address says, where it is new: on the first run, and after Back or Forward."""
    touched, asked = was_touched(), _asked()
    known = st.session_state.get(KNOWN)
    if known is None or (asked != known and not touched):
        work, problems = from_query(asked, texts())
        _show(work, is_new=known is None)
        st.session_state[KNOWN], st.session_state[MEANT] = asked, work
        st.session_state[PROBLEMS] = problems
    for problem in st.session_state[PROBLEMS]:
        st.warning(literal(problem))


def send() -> None:
    """Let the address say what is worked on; one that says so already is left as it is."""
    seen = _seen()
    if seen == st.session_state[MEANT] and _asked() == st.session_state[KNOWN]:
        return
    try:
        ours = to_query(seen, texts())
    except StorageError as error:
        st.warning(literal(str(error)))
        return
    others = {
        name: value for name, value in st.query_params.to_dict().items() if name not in PARAMETERS
    }
    if st.query_params.to_dict() != others | ours:
        st.query_params.from_dict(others | ours)
    st.session_state[KNOWN], st.session_state[MEANT] = ours, seen
    st.session_state[PROBLEMS] = []
    keep()


def _asked() -> dict[str, str]:
    query = st.query_params.to_dict()
    return {name: query[name] for name in PARAMETERS if name in query}


def _show(work: Work, *, is_new: bool) -> None:
    """Put a work into the widgets."""
    state = st.session_state
    state["learn source"] = WORDS[work.source]
    state["learn text"] = work.text
    if is_new or (work.numbers, work.heads) != (state[WORKED], state["learn heads"]):
        put_numbers(work.numbers, work.heads)
    for name in LEFT_OUT:
        state[switch_key(name)] = name in work.broken.split(",")
    state[switch_key("temperature")] = work.temperature
    state["learn head"] = work.head


def _seen() -> Work:
    """Read a work off the widgets."""
    state = st.session_state
    return Work(
        source="text" if state["learn source"] == TEXT else "numbers",
        text=state["learn text"],
        numbers=state[WORKED],
        heads=state["learn heads"],
        broken=",".join(name for name in LEFT_OUT if state[switch_key(name)]),
        temperature=state[switch_key("temperature")],
        head=state["learn head"],
    )
