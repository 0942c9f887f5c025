"""What a view finds out once it is opened: at once where that is quick, else once somebody asks; never twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import streamlit as st

from components.durations import duration
from components.run_panel import RunPanel, progress_bar
from components.session_state import recall, remember
from viz.service.run_service import Progress

Found = TypeVar("Found")

# Seconds that nobody minds.
PATIENCE = 10.0


def find_on_demand(
    panel: RunPanel,
    wanted: object,
    find: Callable[[Progress], Found],
    *,
    known: Found | None,
    seconds: float,
    verb: str,
    phases: Mapping[str, tuple[float, float, str]],
) -> Found | None:
    """Return what is known, or find it; None where it failed, was cancelled, or nobody has asked yet.

    Args:
        panel: whose failures are said.
        wanted: what is to be found, so that the same failure or Cancel is remembered.
        find: finds it, and is told what to tell its progress to.
        known: what was found before.
        seconds: that it will take.
        verb: of the button that asks for what takes long.
        phases: of the progress, the first for all that have no place there.
    """
    failed, asked = f"{panel.name} failed", f"{panel.name} asked"
    if known is not None:
        panel.clear()
        return known
    if recall(failed) == wanted and panel.failure is not None:
        return None
    panel.clear()
    if panel.is_stopped(wanted) or (seconds > PATIENCE and recall(asked) != wanted):

        def ask() -> None:
            panel.go_on()
            remember(asked, wanted)

        st.button(f"{verb} (about {duration(seconds)})", on_click=ask)
        return None
    slot, first = st.empty(), next(iter(phases))

    def work() -> Found:
        cancel = partial(panel.stop, wanted)
        with progress_bar(
            slot, on_cancel=cancel, key=f"{panel.name} cancel", phases=phases
        ) as told:
            tell = told(0)
            return find(lambda phase, share: tell(phase if phase in phases else first, share))

    found = panel.attempt(work)
    if found is None:
        remember(failed, wanted)
    return found
