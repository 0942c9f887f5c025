"""How far each head has come, as curves, and the chosen head at the first step beside another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from components.explore_session import is_dark
from components.panels.compare.all_heads import clicked, show_head
from components.panels.compare.compare_url import SIDES, change_side, view
from components.panels.compare.pattern_drawing import draw
from components.panels.plotly_settings import PLOTLY
from components.run_panel import in_words
from components.session_state import remember, value_of
from viz.capture.trace import Trace
from viz.compare import Side, aligned_units, compare_sides
from viz.compare.compared_side import Head
from viz.compare.unit_alignment import How
from viz.errors import LoupeError
from viz.figures import curves_figure

CURVES, CANVAS = "compare curves", "compare steps canvas"


def curves_panel(
    frame: pd.DataFrame,
    stacks: Iterable[str],
    side: Side,
    caption: str,
    beside: Callable[[], None] | None = None,
) -> None:
    """Draw how far each head has come, and let one be chosen.

    Args:
        frame: from `viz.compare.curves`.
        stacks: that may be chosen.
        side: the chosen stack and heads.
        caption: says what the curves are.
        beside: draws what stands beside the choices.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choices(list(stacks), side, frame)
        if beside is not None:
            beside()
    selected = side.heads if len(side.heads) == 1 else ()
    st.plotly_chart(
        curves_figure(frame, selected=selected, dark=is_dark()),
        key=CURVES,
        config=PLOTLY,
        on_select=_pick_curve,
        selection_mode="points",
    )
    st.caption(caption)


def _choices(stacks: Sequence[str], side: Side, frame: pd.DataFrame) -> None:
    """Let the stack and the head be chosen without a mouse, too."""
    if len(stacks) > 1:
        remember("compare steps stack", side.stack.name)
        st.selectbox("Stack", stacks, key="compare steps stack", width=150, on_change=_pick_stack)
    levels = (frame.columns.get_level_values(level) for level in ("layer", "head"))
    every = [f"{layer}.{head}" for layer, head in zip(*levels, strict=True)]
    several = len(side.heads) > 1
    remember("compare steps head", None if several else "{}.{}".format(*side.heads[0]))
    st.selectbox(
        "Head",
        every,
        key="compare steps head",
        width=200,
        format_func=lambda one: "layer {}, head {}".format(*one.split(".")),
        placeholder=f"{len(side.heads)} heads together",
        on_change=_pick_head,
    )


def _pick_stack() -> None:
    for which in SIDES:
        change_side(which, stack=value_of("compare steps stack"))


def _pick_head() -> None:
    chosen = value_of("compare steps head")
    if chosen is not None:
        layer, head = map(int, chosen.split("."))
        show_head(SIDES, layer, head)


def _pick_curve() -> None:
    at = clicked(value_of(CURVES).selection.points)
    if len(at) == 2:
        show_head(SIDES, *at)


def patterns_panel(
    start: Trace,
    other: Trace,
    first: Side,
    names: tuple[str, str],
    *,
    words: bool = False,
    how: How = "text",
) -> None:
    """Draw where the chosen heads look in both traces.

    Args:
        start: of the first step.
        other: of the one beside it.
        first: the heads of the first.
        names: of both.
        words: compare words, where units are parts of them.
        how: units belong together by `text`, or by `position`.
    """
    together = view().aggregate
    first = replace(first, how=together)
    second = replace(first, stack=other.stacks[first.stack.name])
    try:
        units = aligned_units(start, other, first, second, words=words, how=how)
    except LoupeError as error:
        st.error(in_words(error))
        return
    which = _said(first.heads, together)
    draw(
        compare_sides(first, second, *units),
        (f"{names[0]}, {which}", f"{names[1]}, {which}"),
        key=CANVAS,
    )


def _said(heads: tuple[Head, ...], together: str) -> str:
    if len(heads) == 1:
        return "layer {}, head {}".format(*heads[0])
    return f"{together} of {len(heads)} heads"
