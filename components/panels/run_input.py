"""Run a request with progress and Cancel; whatever goes wrong, the earlier result stays."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.explore_session import change, owner, request_of, workbench, write_link
from components.explore_state import ASKED, View
from components.panels.first_view import open_on
from components.run_panel import RunPanel, progress_bar
from components.session_state import recall, remember, value_of
from viz.errors import TextTooLongError
from viz.models.time_left import SecondsLeft
from viz.service import Analysis, Request
from viz.service.model_questions import cut, drawing_by_pass

# Heads are waited for as long as nobody minds; the rest is drawn beside the page, in seconds.
PATIENCE = 3.0

RUN = RunPanel("explore")


def run(pending: View, slot: DeltaGenerator) -> None:
    """Run what a view asks for; it becomes the one on screen, and in the link, once it is done."""
    request = request_of(pending)
    left = SecondsLeft(lambda: workbench().of_loaded(request, drawing_by_pass, request) or 0.0)
    seen, before = (pending.stack, pending.layer), recall("shown")

    def work() -> None:
        _leave(before)
        with progress_bar(slot, on_cancel=_cancel, seconds_left=left) as told:
            tell = told(0)

            def progress(phase: str, share: float) -> None:
                if phase == "tokenise" and not pending.media:
                    # From here on a page that is loaded anew would lose a text that was pasted.
                    write_link(pending)
                tell(phase, share)

            analysis = workbench().analyse(owner(), request_of(pending), progress, seen, PATIENCE)
        remember("shown", request_of(pending))
        # Only what was asked for: a head may have been chosen meanwhile.
        change(**{name: getattr(pending, name) for name in ASKED})
        open_on(analysis, before)

    RUN.attempt(work, also="" if before is None else " What you see below is from before.")
    if RUN.failure is not None:
        remember("failed", pending)
    remember("pending", None)


def failure_panel() -> None:
    """Say what went wrong and what to do."""
    RUN.say()
    if isinstance(RUN.failure, TextTooLongError):
        st.button(f"Cut the text to {RUN.failure.limit:,} tokens and run", on_click=_cut)


def shown() -> Analysis | None:
    """Return the result on screen, if there is one and it is still kept."""
    request: Request | None = recall("shown")
    return None if request is None else workbench().so_far(owner(), request)


def _leave(request: Request | None) -> None:
    """Let the heads of what was on screen rest; they take time from what is run now."""
    drawing = None if request is None else workbench().drawing(owner(), request)
    if drawing is not None:
        drawing.rest()


def _cancel() -> None:
    remember("pending", None)


def _cut() -> None:
    failed: View = value_of("failed")
    request = request_of(failed)
    most = RUN.failure.limit if isinstance(RUN.failure, TextTooLongError) else None
    shorter = workbench().of_loaded(request, cut, request, most)
    if shorter is not None:
        remember("text", shorter)
        remember("pending", replace(failed, text=shorter))
