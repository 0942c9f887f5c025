"""What the Compare page shows: in the session, and in the URL, so that a link leads there and Back undoes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from components.compare_state import CompareView, SideView, from_query, to_query
from components.explore_session import texts
from components.session_state import (
    recall,
    recall_or_begin,
    remember,
    remembers,
    take,
    value_of,
)
from components.url_binding import Address
from viz.errors import StorageError

SIDES = ("first", "second")

ADDRESS = Address("compare")
VIEW = "compare view"


def view() -> CompareView:
    """Return what is to be seen, from the link on the first run."""
    if not remembers(VIEW):
        _read()
    current: CompareView = value_of(VIEW)
    return current


def change(**choices: Any) -> None:
    """Change some of what is to be seen."""
    remember(VIEW, replace(view(), **choices))
    ADDRESS.act()
    # What was said of a link is over once something else is asked for.
    remember("compare notices", [])


def rewrite(**choices: Any) -> None:
    """Change what is to be seen, and let every input be filled anew."""
    change(**choices)
    _refill()


def generation() -> int:
    """Return how often inputs were filled anew; it is a part of their names.

    An input that keeps its name would tell us once more what was typed before.
    """
    count: int = recall("compare generation", 0)
    return count


def asked() -> int:
    """Return how often something was run; a part of the names of inputs that keep what is typed.

    One that was called so before would show what was typed over it then.
    """
    count: int = recall("compare asked", 0)
    return count


def ask(**choices: Any) -> None:
    """Change what is to be seen to what was typed."""
    remember("compare asked", asked() + 1)
    change(**choices)


def _refill() -> None:
    remember("compare generation", generation() + 1)


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
    remember(key, getattr(view(), field))
    st.segmented_control(
        label,
        list(titles),
        key=key,
        required=True,
        format_func=lambda one: titles[one],
        label_visibility="collapsed",
        wrap=True,
        help=help,
        on_change=lambda: change(**{field: value_of(key)}, **also),
    )


def complain(sentence: str) -> None:
    """Note what of the view cannot be shown, found out while it is drawn; the page says all in one box."""
    recall_or_begin("compare missed", []).append(sentence)


def complaints() -> list[str]:
    """Return what was noted since this was asked last, after what the link itself could not say."""
    return [
        *recall("compare notices", []),
        *take("compare missed", []),
    ]


def follow_link() -> None:
    """Read the view anew where the address changed without us, by Back, Forward or a link."""
    acted = ADDRESS.acted()
    if acted or not remembers(VIEW) or not st.query_params:
        return
    if ADDRESS.changed_by_others() is not None:
        _read()


def forget_act() -> None:
    """Note that what was chosen is being drawn, so that what happens to the address next is not our doing."""
    ADDRESS.acted()


def write_link() -> None:
    """Let the URL say what is seen."""
    try:
        ADDRESS.write(to_query(view(), texts()))
    except StorageError as error:
        remember("compare notices", [str(error)])


def _read() -> None:
    read, notices = from_query(ADDRESS.note(), texts())
    remember(VIEW, read)
    remember("compare notices", notices)
    _refill()
