"""Run both sides with progress and Cancel; whatever goes wrong, the earlier comparison stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.compare_state import CompareView, SideView
from components.explore_session import owner, workbench
from components.panels.compare.compare_url import SIDES, view
from components.run_panel import RunPanel, progress_bar
from viz.errors import LoupeError
from viz.models.catalogue import CATALOGUE, find_entry, is_available
from viz.models.fetch import fetch
from viz.service import Analysis, Request

RUN = RunPanel("compare")


@dataclass(frozen=True, slots=True)
class Both:
    """What is on screen: a view whose sides have been run."""

    seen: CompareView
    first: Analysis
    second: Analysis

    @property
    def both(self) -> tuple[Analysis, Analysis]:
        """The runs of both sides."""
        return self.first, self.second


def both(slot: DeltaGenerator) -> Both | None:
    """Return both sides' runs, made where they are missing; the earlier ones where that fails."""
    seen = view()
    wanted = [seen.first.request, seen.second.request]
    missing = [
        request
        for request in dict.fromkeys(wanted)
        if workbench().captured(owner(), request) is None
    ]
    if missing and RUN.is_stopped(wanted):
        with slot.container(horizontal=True, vertical_alignment="center"):
            st.caption("Stopped; below is from before.")
            st.button("Compare", type="primary", on_click=RUN.go_on)
        return before()

    def work() -> Both:
        if missing:
            _run(missing, slot)
        first, second = (workbench().captured(owner(), request) for request in wanted)
        if first is None or second is None:
            raise LoupeError(
                "Both runs together are more than what is kept at a time.", "Shorten the texts."
            )
        return Both(seen, first, second)

    return RUN.attempt(work) or before()


def problems_panel(*, earlier: bool = False) -> None:
    """Say what went wrong and what to do.

    Args:
        earlier: whether what is below is of what was asked for before.
    """
    RUN.say(also="  \nWhat you see below is from before." if earlier else "")
    for side in dict.fromkeys((view().first, view().second)):
        _fetch_button(side)


def _run(missing: Sequence[Request], slot: DeltaGenerator) -> None:
    with progress_bar(slot, len(missing), on_cancel=_stop) as told:
        for number, request in enumerate(missing):
            try:
                workbench().capture(owner(), request, told(number))
            except LoupeError as error:
                raise _named(request, error) from error


def _named(request: Request, error: LoupeError) -> LoupeError:
    """Say of which side an error is, where it is of one alone."""
    sides = [
        which for which, side in zip(SIDES, view().sides, strict=True) if side.request == request
    ]
    if len(sides) != 1:
        return error
    return LoupeError(f"The {sides[0]} side cannot be run: {error.message}", error.hint)


def _stop() -> None:
    seen = view()
    RUN.stop([seen.first.request, seen.second.request])


def keep(runs: Both) -> None:
    """Note that a comparison could be drawn, to be gone back to where a later one cannot."""
    RUN.keep(runs.seen)


def before() -> Both | None:
    """Return the last comparison that could be drawn, if it is still kept, with the heads chosen now."""
    drawn: CompareView | None = RUN.kept
    if drawn is None:
        return None
    runs = [workbench().captured(owner(), side.request) for side in (drawn.first, drawn.second)]
    seen = view()
    sides = [
        replace(side, heads=now.heads, stack=now.stack)
        for side, now in ((drawn.first, seen.first), (drawn.second, seen.second))
    ]
    kept = replace(
        seen,
        first=sides[0],
        second=sides[1],
        how=drawn.how,
        pairing=drawn.pairing,
        row=-1,
        span="",
    )
    first, second = runs
    return None if first is None or second is None else Both(kept, first, second)


def _fetch_button(side: SideView) -> None:
    """Offer to fetch a model of the catalogue that is not on this machine."""
    entry = None if side.local else find_entry(side.model)
    if entry is None or entry.name not in CATALOGUE or is_available(entry):
        return

    def get() -> None:
        try:
            with st.spinner(f"Fetching {entry.title}, {entry.download_mb} MB"):
                fetch(entry)
        except LoupeError as error:
            RUN.fail(error)

    st.button(
        f"Fetch {entry.title} ({entry.download_mb} MB)", on_click=get, key=f"fetch {entry.name}"
    )
