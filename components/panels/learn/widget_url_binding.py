"""Widgets and the address: what a link says goes into the page, what is changed goes into the link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from components.explore_session import texts
from components.link_parameters import DIGEST, LONGEST_IN_URL
from components.panels.learn.learn_url import forget_unknown, keep, note, was_touched
from components.panels.plain_text import literal
from components.session_state import remember, value_of
from components.url_binding import Address
from viz.errors import StorageError


def receive(
    part: str, parameters: Sequence[str], show: Callable[[Mapping[str, str]], list[str]]
) -> None:
    """Take over what the address says, where it is new: on the first run, and after Back or Forward.

    Args:
        part: of the page, for what is remembered.
        parameters: of the address that belong to it.
        show: puts what they say into the widgets, and returns a sentence for each that it cannot use.
    """
    touched, address = was_touched(), _address(part, parameters)
    # Once the page is known, what it changed itself is not in the address yet.
    is_new = not address.is_known or (not touched and address.changed_by_others() is not None)
    if is_new:
        remember(_problems(part), show(address.note()))
        # What that means is known when the widgets are read for the first time.
        remember(_meant(part), None)
    note(part, value_of(_problems(part)))


def send(part: str, parameters: Sequence[str], query: Mapping[str, str]) -> None:
    """Let the address say what the widgets hold; one that says so already is left as it is.

    Args:
        part: as in `receive`.
        parameters: likewise.
        query: what the widgets hold, as parameters.
    """
    address = _address(part, parameters)
    if value_of(_meant(part)) is None:
        remember(_meant(part), dict(query))
    if query == value_of(_meant(part)) and address.now() == address.known:
        return
    forget_unknown()
    address.write(query)
    remember(_meant(part), dict(query))
    remember(_problems(part), [])
    keep()


def complain(part: str, sentence: str) -> None:
    """Add what is found out of a link only once there is what it asks for."""
    problems = value_of(_problems(part))
    if sentence not in problems:
        problems.append(sentence)
    note(part, problems)


def short(name: str, text: str) -> dict[str, str]:
    """Write a text as a parameter; a long one is kept here, and named by its digest.

    Raises:
        StorageError: it cannot be kept.
    """
    if len(text) <= LONGEST_IN_URL:
        return {name: text}
    return {name + DIGEST: texts().put(text)}


def long(name: str, query: Mapping[str, str]) -> str | None:
    """Read a text that `short` wrote; None where there is none.

    Raises:
        StorageError: the text of a digest is not kept here.
    """
    digest = query.get(name + DIGEST, "")
    return texts().get(digest) if digest else query.get(name)


def text_fields(part: str, usual: Mapping[str, str]) -> Callable[[], None]:
    """Bind text widgets, whose keys are `learn NAME`, to parameters of the same names.

    Args:
        part: as in `receive`.
        usual: what each holds at first; that is left out of the address.

    Returns:
        What is to be called when the widgets are drawn.
    """
    parameters = [name + end for name in usual for end in ("", DIGEST)]

    def show(query: Mapping[str, str]) -> list[str]:
        problems = []
        for name, first in usual.items():
            try:
                found = long(name, query)
            except StorageError as error:
                problems.append(str(error))
                found = None
            remember(f"learn {name}", first if found is None else found)
        return problems

    def say() -> None:
        query: dict[str, str] = {}
        try:
            for name, first in usual.items():
                text = value_of(f"learn {name}")
                query |= {} if text == first else short(name, text)
        except StorageError as error:
            st.warning(literal(str(error)))
            return
        send(part, parameters, query)

    receive(part, parameters, show)
    return say


def _address(part: str, parameters: Sequence[str]) -> Address:
    return Address(f"learn {part}", tuple(parameters), patience=0.0)


def _meant(part: str) -> str:
    return f"learn {part} meant"


def _problems(part: str) -> str:
    return f"learn {part} problems"
