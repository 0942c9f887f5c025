"""What a page shows, bound to the address both ways: a link shows the same again, and Back undoes.

A page writes what it shows into the address, and reads the address where somebody else changed it: a link that
was opened, Back, Forward. A run that something on the page started reads nothing, because what it changed is
not in the address yet.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from components.session_state import recall, remember, remembers, take

# What the browser sends this soon after a change may still carry the address before it.
LINK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a page, or those of its parameters that belong to a part of it.

    Attributes:
        page: or the part, under whose name the session remembers.
        names: of the parameters; None for all that there are.
        patience: for how long after a change of ours another address is the one before it, in seconds.
    """

    page: str
    names: tuple[str, ...] | None = None
    patience: float = LINK_SECONDS

    def now(self) -> dict[str, str]:
        """What the address says."""
        query: dict[str, str] = st.query_params.to_dict()
        return {
            name: query[name]
            for name in (query if self.names is None else self.names)
            if name in query
        }

    @property
    def known(self) -> dict[str, str] | None:
        """What it was said to be last, by the page or by whoever opened it; None before that."""
        known: dict[str, str] | None = recall(self._key("address"))
        return known

    def changed_by_others(self) -> dict[str, str] | None:
        """What the address says now where a link, Back or Forward changed it; None where nobody did."""
        asked = self.now()
        late = time.monotonic() - recall(self._key("written"), -self.patience) < self.patience
        if asked == self.known or late:
            return None
        self.note()
        return asked

    def note(self) -> dict[str, str]:
        """Take the address as it is now for known, and return it."""
        asked = self.now()
        remember(self._key("address"), asked)
        return asked

    def write(self, query: Mapping[str, str]) -> None:
        """Let the address say what is shown; an address that says so already makes no step for Back."""
        if self.now() != query:
            rest = {} if self.names is None else st.query_params.to_dict()
            others = {name: value for name, value in rest.items() if name not in (self.names or ())}
            st.query_params.from_dict({**others, **query})
            remember(self._key("written"), time.monotonic())
        # Known even where nothing was written: after Back, Forward leads to what was written last.
        remember(self._key("address"), dict(query))

    def act(self) -> None:
        """Note that something on the page starts the next run."""
        remember(self._key("acted"), True)

    def acted(self) -> bool:
        """Whether something on the page started this run; to be asked once a run."""
        return bool(take(self._key("acted"), False))

    @property
    def is_known(self) -> bool:
        """Whether the page has been shown in this session."""
        return remembers(self._key("address"))

    def _key(self, what: str) -> str:
        return f"{self.page} {what}"
