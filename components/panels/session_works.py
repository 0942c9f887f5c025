"""Which trainings, or which surveys, a session knows, and which of them it may throw away."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import streamlit as st

from components.session_state import recall, recall_or_begin, remember
from viz.service.browser_sessions import COOKIE

# How many of a session are listed.
LISTED = 8


@dataclass(frozen=True, slots=True)
class SessionWorks:
    """What a session began or opened on a page; names are told to nobody else.

    Attributes:
        page: under whose name the session remembers.
    """

    page: str

    def known(self) -> list[str]:
        """Return the names of this session's, the one that was shown last first."""
        names: list[str] = recall(f"{self.page} names", [])
        return names

    def listed(self, name: str) -> None:
        """Note that one is shown, and let it be listed."""
        others = [one for one in self.known() if one != name]
        remember(f"{self.page} names", [name, *others][:LISTED])

    def unlisted(self, name: str) -> None:
        """List one no more."""
        remember(f"{self.page} names", [one for one in self.known() if one != name])

    def began(self, name: str) -> None:
        """Note that this session began one, and may throw it away."""
        self.listed(name)
        recall_or_begin(f"{self.page} began", set()).add(name)

    def is_own(self, name: str, browser: str) -> bool:
        """Whether this session began one, or this browser before; `browser` is noted with it."""
        began = name in recall(f"{self.page} began", ())
        return began or bool(browser and browser == this_browser())


def this_browser() -> str:
    """Return a digest of what this browser is called by its cookie; empty where it has none."""
    name = st.context.cookies.get(COOKIE, "")
    if not isinstance(name, str) or not name:
        return ""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
