"""The picture or the sound, lit up where the selected head looks."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.explore_session import change, is_dark, view
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.statistic_labels import padding_words, unheard
from components.panels.token_panel import tokens_panel
from components.session_state import remember, value_of
from viz.figures import patch_at, picture_figure, sound_figure, usual_query
from viz.inputs.frame_times import times_of
from viz.inputs.units import Grid, patch_grid
from viz.patterns import row
from viz.service import Analysis


def looks_panel(analysis: Analysis) -> None:
    """Show what is looked at as what it is: a text, a picture or a sound."""
    stack = analysis.trace.stacks[view().stack]
    grid, picture = patch_grid(stack.keys), analysis.picture
    times = times_of(stack.keys)
    if grid is not None and picture is not None:
        _picture(analysis, picture, grid)
    elif analysis.loudness is not None and times is not None:
        _sound(analysis, times, *analysis.loudness)
    else:
        tokens_panel(analysis)
        if analysis.loudness is not None:
            cut = unheard(analysis.trace.stacks.values(), analysis.loudness[1])
            if cut:
                st.caption(cut)


def _picture(analysis: Analysis, picture: NDArray[np.uint8], grid: Grid) -> None:
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    side, middle = st.columns([1, 2], gap="medium")
    with side:
        query = _query(analysis)
        same = (
            "Click a patch, or choose it here, to look from there. "
            if stack.queries == stack.keys
            else ""
        )
        before = grid[0]
        weights = row(stack, seen.layer, seen.head, query)
        aside = float(weights[:before].sum())
        names = ", ".join(stack.keys.labels[:before])
        elsewhere = f"{aside:.0%} of the weight lies on {literal(names)}. " if before else ""
        st.caption(f"{elsewhere}{same}The picture is cut and scaled as the model sees it.")
    with middle:
        st.plotly_chart(
            picture_figure(
                picture,
                weights,
                grid,
                pinned=query if stack.queries == stack.keys else None,
                dark=is_dark(),
            ),
            key="picture",
            config=PLOTLY,
            on_select=lambda: _pick_patch(analysis, picture, grid),
            selection_mode="points",
        )


def _sound(
    analysis: Analysis,
    times: NDArray[np.float32],
    loudness: NDArray[np.float32],
    seconds: float,
) -> None:
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    query = _query(analysis)
    weights = row(stack, seen.layer, seen.head, query)
    st.plotly_chart(
        sound_figure(loudness, seconds, weights, times, dark=is_dark()), key="sound", config=PLOTLY
    )
    said = unheard([stack], seconds) or padding_words(
        stack, seen.layer, seen.head, seconds, query=query
    )
    st.caption(said or "All of the weight lies within the sound.")


def pinned_query(analysis: Analysis) -> int:
    """Return which query looks: the one that was chosen, or a usual one."""
    seen = view()
    units = analysis.trace.stacks[seen.stack].queries
    if 0 <= seen.token < len(units):
        return seen.token
    return usual_query(units, None if analysis.loudness is None else analysis.loudness[1])


def _query(analysis: Analysis) -> int:
    """Ask which query looks, and keep it in the link."""
    seen = view()
    units = analysis.trace.stacks[seen.stack].queries
    pinned = pinned_query(analysis)
    remember("looks from", pinned)
    st.selectbox(
        "Looks from (query)",
        range(len(units)),
        key="looks from",
        format_func=lambda number: f"{units.labels[number]} ({number})",
        on_change=lambda: change(token=value_of("looks from")),
        help="Patches are named by row and column, from the top left; type to find one."
        if patch_grid(units) is not None
        else None,
    )
    return pinned


def _pick_patch(analysis: Analysis, picture: NDArray[np.uint8], grid: Grid) -> None:
    points = value_of("picture").selection.points
    stack = analysis.trace.stacks[view().stack]
    if not points or stack.queries != stack.keys:
        return
    size = (picture.shape[0], picture.shape[1])
    change(token=patch_at(float(points[0]["x"]), float(points[0]["y"]), size, grid))
