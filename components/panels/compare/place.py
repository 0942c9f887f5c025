"""What the Compare page shows: in the session, and in the URL, so that a link leads there and Back undoes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from components.compare_state import CompareView, SideView, from_query, to_query
from components.session import LINK_SECONDS, texts
from viz.errors import StorageError

SIDES = ("first", "second")


def view() -> CompareView:
    """Return what is to be seen, from the link on the first run."""
    if "compare view" not in st.session_state:
        _read()
    current: CompareView = st.session_state["compare view"]
    return current


def change(**choices: Any) -> None:
    """Change some of what is to be seen."""
    st.session_state["compare view"] = replace(view(), **choices)
    st.session_state["compare acted"] = True
    # What was said of a link is over once something else is asked for.
    st.session_state["compare notices"] = []


def rewrite(**choices: Any) -> None:
    """Change what is to be seen, and let every input be filled anew."""
    change(**choices)
    _refill()


def generation() -> int:
    """Return how often inputs were filled anew; it is a part of their names.

    An input that keeps its name would tell us once more what was typed before.
    """
    count: int = st.session_state.get("compare generation", 0)
    return count


def asked() -> int:
    """Return how often something was run; a part of the names of inputs that keep what is typed.

    One that was called so before would show what was typed over it then.
    """
    count: int = st.session_state.get("compare asked", 0)
    return count


def ask(**choices: Any) -> None:
    """Change what is to be seen to what was typed."""
    st.session_state["compare asked"] = asked() + 1
    change(**choices)


def _refill() -> None:
    st.session_state["compare generation"] = generation() + 1


def change_side(which: str, **choices: Any) -> None:
    """Change some of what one side shows, `first` or `second`."""
    side: SideView = getattr(view(), which)
    change(**{which: replace(side, **choices)})


def named(name: str, value: object) -> str:
    """Name a widget by what it is to show.

    A closed popover does not tell the browser what its widgets are set to, and the browser would send back
    what they were before; a widget of another name has no before.
    """
    return f"compare {name} {zlib.crc32(repr(value).encode('utf-8', 'replace')):08x}"


def choice(
    field: str,
    label: str,
    titles: Mapping[str, str],
    *,
    help: str | None = None,  # noqa: A002
    **also: Any,
) -> None:
    """Let one of some values of a field of the view be chosen; others may change with it."""
    key = f"compare {field}"
    st.session_state[key] = getattr(view(), field)
    st.segmented_control(
        label,
        list(titles),
        key=key,
        required=True,
        format_func=lambda one: titles[one],
        label_visibility="collapsed",
        wrap=True,
        help=help,
        on_change=lambda: change(**{field: st.session_state[key]}, **also),
    )


def complain(sentence: str) -> None:
    """Note what of the view cannot be shown, found out while it is drawn; the page says all in one box."""
    st.session_state.setdefault("compare missed", []).append(sentence)


def complaints() -> list[str]:
    """Return what was noted since this was asked last, after what the link itself could not say."""
    return [
        *st.session_state.get("compare notices", []),
        *st.session_state.pop("compare missed", []),
    ]


def follow_link() -> None:
    """Read the view anew where the address changed without us, by Back, Forward or a link."""
    acted = st.session_state.pop("compare acted", False)
    address = st.query_params.to_dict()
    known = st.session_state.get("compare link")
    late = time.monotonic() - st.session_state.get("compare written", -LINK_SECONDS) < LINK_SECONDS
    if "compare view" in st.session_state and address and address != known and not (acted or late):
        _read()


def settled() -> None:
    """Note that what was chosen is being drawn, so that what happens to the address next is not our doing."""
    st.session_state.pop("compare acted", None)


def write_link() -> None:
    """Let the URL say what is seen."""
    try:
        query = to_query(view(), texts())
    except StorageError as error:
        st.session_state["compare notices"] = [str(error)]
        return
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
        st.session_state["compare written"] = time.monotonic()
    st.session_state["compare link"] = query


def _read() -> None:
    address = st.query_params.to_dict()
    st.session_state["compare view"], notices = from_query(address, texts())
    st.session_state["compare notices"] = notices
    _refill()
    st.session_state["compare link"] = address
