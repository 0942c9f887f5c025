"""Run both sides with progress and Cancel; whatever goes wrong, the earlier comparison stays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.compare_state import CompareView, SideView
from components.panels.compare.bar import one_bar
from components.panels.compare.place import SIDES, view
from components.panels.literal import literal
from components.session import owner, workbench
from components.session_state import forget, recall, remember, remembers
from viz.errors import LoupeError
from viz.models.catalogue import CATALOGUE, find_entry, is_available
from viz.models.fetch import fetch
from viz.service import Analysis, Request

log = logging.getLogger(__name__)

WRONG = "compare failure"
SHOWN = "compare shown"
STOPPED = "compare stopped"


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
    if missing and recall(STOPPED) == wanted:
        with slot.container(horizontal=True, vertical_alignment="center"):
            st.caption("Stopped; below is from before.")
            st.button("Compare", type="primary", on_click=_go_on)
        return before()
    try:
        if missing:
            _run(missing, slot)
        runs = [workbench().captured(owner(), request) for request in wanted]
        forget(WRONG)
    except LoupeError as error:
        remember(WRONG, error)
        return before()
    except Exception:
        log.exception("The comparison failed")
        remember(
            WRONG,
            LoupeError(
                "This is a defect in Attention Loupe; the log has its details.",
                "Try another text or model.",
            ),
        )
        return before()
    first, second = runs
    if first is None or second is None:
        remember(
            WRONG,
            LoupeError(
                "Both runs together are more than what is kept at a time.", "Shorten the texts."
            ),
        )
        return before()
    return Both(seen, first, second)


def went_wrong() -> bool:
    """Whether something is to be said of the last attempt."""
    return remembers(WRONG)


def problems_panel(*, earlier: bool = False) -> None:
    """Say what went wrong and what to do.

    Args:
        earlier: whether what is below is of what was asked for before.
    """
    error: LoupeError | None = recall(WRONG)
    if error is not None:
        before = "  \nWhat you see below is from before." if earlier else ""
        st.error(f"{literal(error.message)} {literal(error.hint)}{before}")
    for side in dict.fromkeys((view().first, view().second)):
        _fetch_button(side)


def _run(missing: Sequence[Request], slot: DeltaGenerator) -> None:
    with one_bar(slot, len(missing), on_cancel=_stop) as told:
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
    remember(STOPPED, [seen.first.request, seen.second.request])


def _go_on() -> None:
    forget(STOPPED)


def keep(runs: Both) -> None:
    """Note that a comparison could be drawn, to be gone back to where a later one cannot."""
    remember(SHOWN, runs.seen)


def before() -> Both | None:
    """Return the last comparison that could be drawn, if it is still kept, with the heads chosen now."""
    drawn: CompareView | None = recall(SHOWN)
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
            remember(WRONG, error)

    st.button(
        f"Fetch {entry.title} ({entry.download_mb} MB)", on_click=get, key=f"fetch {entry.name}"
    )
