"""*Step by step* and its part of the address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.panels.learn import address
from components.panels.learn.source import NUMBERS, TEXT, WORKED, put_numbers
from components.panels.learn.work import LEFT_OUT, PARAMETERS, Work, from_query, to_query
from components.panels.literal import literal
from components.session import texts
from viz.errors import StorageError

WORDS = {"text": TEXT, "numbers": NUMBERS}


def switch_key(name: str) -> str:
    """Name the widget of a switch."""
    return f"learn switch {name}"


def receive() -> None:
    """Take over what the address says, where it is new."""
    address.receive("steps", PARAMETERS, _show)


def send() -> None:
    """Let the address say what is worked on."""
    try:
        query = to_query(_seen(), texts())
    except StorageError as error:
        st.warning(literal(str(error)))
        return
    address.send("steps", PARAMETERS, query)


def _show(query: Mapping[str, str]) -> list[str]:
    """Put a work into the widgets."""
    work, problems = from_query(query, texts())
    state = st.session_state
    state["learn source"] = WORDS[work.source]
    state["learn text"] = work.text
    if (work.numbers, work.heads) != (state.get(WORKED), state.get("learn heads")):
        put_numbers(work.numbers, work.heads)
    for name in LEFT_OUT:
        state[switch_key(name)] = name in work.broken.split(",")
    state[switch_key("temperature")] = work.temperature
    state["learn head"] = work.head
    return problems


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
