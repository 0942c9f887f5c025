"""What a picture or a sound opens on: a stack, a head and a query whose weights lie on something."""

from __future__ import annotations

import streamlit as st

from components.explore_session import change, view
from components.session_state import recall
from viz.analysis import opening, opening_stack
from viz.service import Analysis, Request, sense_of


def open_on(analysis: Analysis, before: Request | None) -> None:
    """Choose what is seen first of a picture or a sound; what a link names stays.

    Args:
        analysis: just run.
        before: what was on screen before; of the same model its head stays.
    """
    if not analysis.request.media:
        return
    seen, stacks = view(), analysis.trace.stacks
    named = set(st.query_params) if recall("linked") else set()
    going_on = before is not None and _alike(before, analysis.request)
    keeps_head = going_on or bool({"layer", "head"} & named)
    keeps_stack = (keeps_head or "stack" in named) and seen.stack in stacks
    stack = stacks[seen.stack] if keeps_stack else opening_stack(stacks)
    if keeps_head and keeps_stack:
        layer = min(seen.layer, stack.layers - 1)
        found = opening(stack, (layer, min(seen.head, stack.heads(layer) - 1)))
    elif "layer" in named or "head" in named:
        return
    else:
        found = opening(stack)
        change(stack=stack.name, layer=found.layer, head=found.head, also="")
    if "token" not in named:
        change(token=found.query)


def turn_to(analysis: Analysis, name: str) -> None:
    """Show another stack; of a picture or a sound the head and the query of it that are worth seeing."""
    change(stack=name, token=-1, rows="", columns="")
    if analysis.request.media:
        found = opening(analysis.trace.stacks[name])
        change(layer=found.layer, head=found.head, token=found.query, also="")


def _alike(one: Request, other: Request) -> bool:
    """Whether both are runs of one model on things of one kind."""
    return (
        bool(one.media)
        and sense_of(one.media) == sense_of(other.media)
        and (one.model, one.revision, one.local) == (other.model, other.revision, other.local)
    )
