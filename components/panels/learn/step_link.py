"""*Step by step* and its part of the address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.explore_session import texts
from components.panels.learn import widget_url_binding as address
from components.panels.learn.lesson_input import NUMBERS, TEXT, WORKED, put_numbers
from components.panels.learn.lesson_state import LEFT_OUT, PARAMETERS, Work, from_query, to_query
from components.panels.plain_text import literal
from components.session_state import recall, remember, value_of
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
    remember("learn source", WORDS[work.source])
    remember("learn text", work.text)
    if (work.numbers, work.heads) != (recall(WORKED), recall("learn heads")):
        put_numbers(work.numbers, work.heads)
    for name in LEFT_OUT:
        remember(switch_key(name), name in work.broken.split(","))
    remember(switch_key("temperature"), work.temperature)
    remember("learn head", work.head)
    return problems


def _seen() -> Work:
    """Read a work off the widgets."""
    return Work(
        source="text" if value_of("learn source") == TEXT else "numbers",
        text=value_of("learn text"),
        numbers=value_of(WORKED),
        heads=value_of("learn heads"),
        broken=",".join(name for name in LEFT_OUT if value_of(switch_key(name))),
        temperature=value_of(switch_key("temperature")),
        head=value_of("learn head"),
    )
