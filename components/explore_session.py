"""This session's view and owner name, and what all sessions of the process share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

from components.explore_state import View, from_query, to_query
from components.run_panel import stop_if_unwanted
from components.selection_limits import selected_inside
from components.session_state import (
    forget,
    recall,
    recall_or_begin,
    remember,
    remembers,
    take,
    value_of,
)
from components.url_binding import Address
from viz.capture.stack import Stack
from viz.errors import StorageError
from viz.models.folders import cache_folder
from viz.service import Backend, Request, TextStore, shared_workbench
from viz.service.browser_sessions import COOKIE

ADDRESS = Address("explore")

# The page whose address says what is seen there.
EXPLORE = "Explore"


def workbench() -> Backend:
    """Return what runs models for all sessions of this process: itself, or a cluster."""
    bench = shared_workbench()
    bench.watch(stop_if_unwanted)
    return bench


def texts() -> TextStore:
    """Return where long texts of links are kept."""
    return TextStore(cache_folder() / "texts")


def owner() -> str:
    """Return this session's unguessable name, under which its results are kept.

    Its browser may fetch tiles of them for as long as its page is open.
    """
    name: str = recall_or_begin("owner", secrets.token_urlsafe(24))
    cookie = st.context.cookies.get(COOKIE)
    # A script that is run by a test has no browser, and something that stands for its cookies.
    browser = cookie if isinstance(cookie, str) else ""
    workbench().visitors.note(name, browser, _is_open())
    return name


def _is_open() -> Callable[[], bool]:
    """Return what tells whether this session's page is still open."""
    context = get_script_run_ctx()
    if context is None or not st.runtime.exists():
        return lambda: True
    runtime, session = st.runtime.get_instance(), context.session_id
    return lambda: runtime.is_active_session(session)


def view() -> View:
    """Return what is to be seen, from the link on the first run."""
    if not remembers("view"):
        read, notices = from_query(st.query_params.to_dict(), texts())
        remember("view", read)
        remember("notices", notices)
        remember("linked", True)
        remember("named", tuple(st.query_params))
    current: View = value_of("view")
    return current


def change(**choices: Any) -> None:
    """Change some of what is to be seen, in the session and in the URL."""
    remember("view", replace(view(), **choices))


def forget_link() -> None:
    """Let what the link said, and what was said of it, be over."""
    remember("linked", False)
    remember("notices", [])


def keep_inside(stacks: Mapping[str, Stack]) -> None:
    """Move a selection that a trace does not have to the nearest that it has; say so of a link's."""
    inside, problems = selected_inside(view(), stacks, named=recall("named", ()))
    if inside != view():
        remember("view", inside)
    if value_of("linked") and request_of(inside) == recall("shown"):
        remember("notices", [*value_of("notices"), *problems])
        remember("linked", False)


def write_link(seen: View | None = None) -> None:
    """Let the URL say what is seen, or what is run to be seen, so that a reload loses no text."""
    try:
        query = to_query(view() if seen is None else seen, texts())
    except StorageError as error:
        remember("notices", [str(error)])
        return
    ADDRESS.write(query)


def acted() -> None:
    """Note that this run was started by something on the page, and not by Back or Forward."""
    ADDRESS.act()


def offer(pages: Sequence[StreamlitPage]) -> None:
    """Note which pages there are, so that one can lead to another."""
    remember("pages", {page.title: page for page in pages})


def page_link(title: str, label: str, **query: str) -> None:
    """Draw a link to another page, if there is one of that title."""
    page = recall("pages", {}).get(title)
    if page is not None:
        if title == EXPLORE:
            query = as_written(query)
        st.page_link(page, label=label, query_params=query)


def as_written(query: Mapping[str, str]) -> dict[str, str]:
    """Return an address of Explore as Explore itself writes it, so that Back leads away from it at once."""
    try:
        return to_query(from_query(query, texts())[0], texts())
    except StorageError:
        return dict(query)


def leave() -> None:
    """Note that another page than Explore is shown; its address says nothing of the view."""
    remember("left", True)


def arrived(page: str) -> bool:
    """Whether another page of this session was shown before this one; to be asked once a run."""
    before = recall("page", page)
    remember("page", page)
    return bool(before != page)


def went_back() -> bool:
    """Whether the address changed without us, by back or forward; the view is read anew then."""
    if ADDRESS.acted():
        return False
    if take("left", False) and not st.query_params:
        # Come back from another page by the navigation, which names no view: the last one goes on.
        return False
    if not ADDRESS.is_known or ADDRESS.changed_by_others() is None:
        return False
    forget("view")
    return True


def request_of(seen: View) -> Request:
    """Return what has to be run for a view."""
    return Request(
        model=seen.model,
        text=seen.text,
        pair=seen.pair if seen.pair.strip() else None,
        revision=seen.revision or None,
        device=seen.device,
        dtype=seen.dtype,
        local=seen.local,
        media=seen.media,
    )


def is_dark() -> bool:
    """Whether the page is shown dark."""
    return st.context.theme.type == "dark"
