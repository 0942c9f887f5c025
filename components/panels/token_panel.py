"""The text, shaded by where the selected head looks, and how things are displayed."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.canvas import head_path, token_strip, units_path
from components.explore_session import change, is_dark, view
from components.explore_state import MOST_TOP_K
from components.session_state import chosen, key_showing, value_of
from viz.capture.stack import Stack
from viz.figures import SEQUENTIAL, palette_rgb
from viz.service import Analysis

# Patterns up to this many tokens travel whole, so that hovering never asks the server.
LARGEST_SENT = 512

CHOICES_SHOWN = (
    "words",
    "hide_special",
    "without_sink",
    "scale",
    "threshold",
    "top_k",
    "palette",
)


def tokens_panel(analysis: Analysis) -> None:
    """Show the text as the model sees it."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    units = stack.queries
    pinned = seen.token if 0 <= seen.token < len(units) else None
    whole = max(len(units), len(stack.keys)) <= LARGEST_SENT
    token_strip(
        units,
        stack.keys,
        units=None if whole else units_path(analysis.token, seen.stack),
        pattern=stack.weights(seen.layer, seen.head).cpu().numpy() if whole else None,
        base=None if whole else head_path(analysis.token, seen.stack, seen.layer, seen.head),
        pinned=pinned,
        direction=seen.direction,
        palette=palette_rgb(seen.palette, is_dark()),
        key="strip",
        on_pin=_pin,
        on_turn=_turn,
    )


def display_panel(stack: Stack, *, mapped: bool) -> None:
    """Offer ways to show the pattern that never change the stored numbers; of a map its colours."""
    seen = view()
    keys = {name: key_showing(f"display {name}", getattr(seen, name)) for name in CHOICES_SHOWN}
    with st.popover("Display"):
        st.caption("How weights are shown; the stored numbers never change.")
        if not mapped:
            _contents(stack, keys)
        left, right = st.columns(2)
        left.segmented_control(
            "Colour scale",
            ["linear", "log"],
            key=keys["scale"],
            on_change=_show,
            required=True,
            help="A log scale also tells small weights apart, where one large weight takes all colours.",
        )
        right.selectbox(
            "Palette",
            SEQUENTIAL,
            key=keys["palette"],
            on_change=_show,
            help="Colours from zero to the largest weight.",
        )


def _contents(stack: Stack, keys: Mapping[str, str]) -> None:
    """Offer to merge, hide and thin out what is drawn."""
    if "token" in (stack.queries.kind, stack.keys.kind):
        st.toggle(
            "Merge sub-words into words",
            key=keys["words"],
            on_change=_show,
            help="Models cut words into parts. A word's row is the mean of its parts', and its column their sum.",
        )
    if any((*stack.queries.special, *stack.keys.special)):
        st.toggle(
            "Hide special tokens",
            key=keys["hide_special"],
            on_change=_show,
            help="Tokens that the model adds to the text, such as [CLS].",
        )
    st.toggle(
        "Without the sink",
        key=keys["without_sink"],
        on_change=_show,
        help=f"A sink is a {stack.keys.kind}, often the first, that takes weight a head does not need.",
    )
    left, right = st.columns(2)
    left.number_input(
        "Hide weights under",
        0.0,
        1.0,
        step=0.01,
        key=keys["threshold"],
        on_change=_show,
        help="A share of 1, which is what all weights of a row add up to; 0 hides none.",
    )
    right.number_input(
        "Largest of a row",
        0,
        MOST_TOP_K,
        key=keys["top_k"],
        on_change=_show,
        help="Only so many largest weights of each row are drawn; 0 draws all.",
    )


def _show() -> None:
    shown = {name: chosen(f"display {name}") for name in CHOICES_SHOWN}
    change(**{name: value for name, value in shown.items() if value is not None})


def _pin() -> None:
    pinned = value_of("strip").get("pinned")
    if pinned is not None:
        change(token=int(pinned))


def _turn() -> None:
    direction = value_of("strip").get("direction")
    if direction:
        change(direction=direction)
