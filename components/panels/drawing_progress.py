"""Heads that are still being drawn while the page shows the others: how far, how long, Stop, Go on."""

from __future__ import annotations

import time

import streamlit as st

from components.durations import duration
from components.explore_session import owner, view, workbench
from components.session_state import forget, recall, remember, value_of
from viz.models.time_left import SecondsLeft
from viz.service import Analysis
from viz.service.backend import RunDrawing

# How often the page looks after the drawing, and how long it waits at least before it shows what is new.
LOOKS_SECONDS, SHOWS_SECONDS = 1.0, 4.0


def drawing_panel(analysis: Analysis) -> None:
    """Let the rest of the heads be drawn beside the page; nothing where all are."""
    drawing = workbench().drawing(owner(), analysis.request)
    if drawing is None:
        forget("drawing")
        return
    before = recall("drawing", {})
    if before.get("token") != analysis.token:
        before = {"token": analysis.token, "left": _foreseen(), "stopped": False}
    before["shown"], before["at"] = analysis.surveyed_layers, time.monotonic()
    before["lacks"] = not is_drawn(analysis)
    remember("drawing", before)
    every = None if before["stopped"] else LOOKS_SECONDS
    st.fragment(_progress, run_every=every)(drawing)


def is_drawn(analysis: Analysis) -> bool:
    """Whether the numbers of the selected head are known."""
    seen = view()
    return seen.layer in analysis.surveys[seen.stack].layers


def _progress(drawing: RunDrawing) -> None:
    """Say how far the drawing is, and show what is new of it now and then."""
    state = recall("drawing")
    if state is None:
        return
    if drawing.has_failed and not state["stopped"]:
        st.warning(
            "Not every head could be drawn, a defect in Attention Loupe; its log has the details."
        )
        return
    if not state["stopped"]:
        drawing.look((view().stack, view().layer))
    layers = f"{drawing.done:,} of {drawing.layers:,} layers drawn"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(
            drawing.share,
            layers + ("" if state["stopped"] else _left(state["left"]("draw", drawing.share))),
        )
        st.button(
            "Draw the rest" if state["stopped"] else "Stop drawing",
            key="drawing stop",
            on_click=_turn,
            args=(drawing,),
        )
    waited = state["lacks"] or time.monotonic() - state["at"] > SHOWS_SECONDS
    is_new = drawing.done > state["shown"] and waited
    if drawing.is_done or is_new or state.pop("turned", False):
        st.rerun()


def _foreseen() -> SecondsLeft:
    """Foresee the end from how long the rest takes; nothing comes after it."""
    return SecondsLeft(lambda: 0.0)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f", about {duration(seconds)} left"


def _turn(drawing: RunDrawing) -> None:
    """Stop the drawing, or let it go on."""
    state = value_of("drawing")
    state["stopped"], state["turned"] = not state["stopped"], True
    state["left"] = _foreseen()
    if state["stopped"]:
        drawing.rest()
