"""Where somebody is on the Learn page: in the URL, so that a link leads there and Back undoes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import streamlit as st

from components.link_parameters import allowed_words, unknown
from components.session_state import recall, recall_or_begin, remember, take, value_of
from components.url_binding import Address

# Each part of the page binds its own parameters; what starts a run is the page's.
PAGE = Address("learn")

KEPT = "learn kept"
NOTED = "learn noted"
STRANGE = "learn strange"


def place(name: str, options: Sequence[str]) -> str:
    """Return which of some options is open: as the URL says, or the first."""
    asked = st.query_params.get(name, "")
    return asked if asked in options else options[0]


def go(name: str, option: str) -> None:
    """Open one of the options."""
    touched()
    st.query_params[name] = option
    forget_unknown()
    keep()


def place_control(
    name: str, label: str, options: Sequence[str], titles: Callable[[str], str]
) -> str:
    """Let one of some options be chosen, and return which is open; say so if a link asks for another."""
    key = f"learn {name} control"
    opened = place(name, options)
    remember(key, opened)
    st.segmented_control(
        label,
        options,
        key=key,
        required=True,
        format_func=titles,
        label_visibility="collapsed",
        wrap=True,
        on_change=lambda: go(name, value_of(key)),
    )
    asked = st.query_params.get(name, opened)
    problem = (
        f"The link's {name} {asked[:40]!r} is not valid: it must be "
        f"{allowed_words(name, str, choices=options)}, so {titles(opened)} is shown."
    )
    note(name, [problem] if asked != opened else [])
    return opened


def note(part: str, sentences: Sequence[str]) -> None:
    """Remember what a part of the page cannot use of the link; the page says all of it in one box."""
    recall_or_begin(NOTED, {})[part] = list(sentences)


def noted() -> list[str]:
    """Return what the parts that are drawn cannot use of the link."""
    said: dict[str, list[str]] = recall(NOTED, {})
    return [one for sentences in said.values() for one in sentences]


def forget_notes() -> None:
    """Begin anew, where the page is drawn as a whole; each part notes again what it still cannot use."""
    remember(NOTED, {})


def note_unknown(known: Collection[str]) -> None:
    """Note which parameters of the link the page does not know."""
    query = st.query_params.to_dict()
    remember(STRANGE, [name for name in query if name not in known])
    note("link", unknown(query, known))


def forget_unknown() -> None:
    """Let parameters that the page does not know be over, once the address changes."""
    for name in take(STRANGE, []):
        st.query_params.pop(name, None)
    note("link", [])


def keep() -> None:
    """Remember the address, for when somebody comes back by the navigation."""
    remember(KEPT, st.query_params.to_dict())


def come_back() -> None:
    """Go on where this page was left, if the address does not say where."""
    if not st.query_params and recall(KEPT):
        st.query_params.from_dict(value_of(KEPT))


def touched() -> None:
    """Note that this run was started by something on the page, and not by Back or Forward."""
    PAGE.act()


def was_touched() -> bool:
    """Whether it was; asked once a run."""
    return PAGE.acted()
