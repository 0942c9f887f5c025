"""The selected head of a long text, as a map to move about in."""

from __future__ import annotations

import numpy as np
import streamlit as st

from components.canvas import attention_map
from components.explore_session import change, is_dark, view
from components.panels.statistic_labels import size_of
from components.session_state import value_of
from viz.capture.stack import Stack
from viz.figures import NOT_ATTENDED, hex_rgb, palette_rgb
from viz.patterns import levels
from viz.service import Analysis


def map_panel(analysis: Analysis) -> None:
    """Draw the whole of a pattern, however long, and any part of it exactly."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    shape = len(stack.queries), len(stack.keys)
    attention_map(
        token=analysis.token,
        stack=seen.stack,
        layer=seen.layer,
        head=seen.head,
        shape=shape,
        levels=levels(*shape),
        coarse=_thumbnail(analysis),
        largest_mean=_largest_mean(stack),
        span=(*_span(seen.rows, shape[0]), *_span(seen.columns, shape[1])),
        pinned=seen.token if 0 <= seen.token < shape[0] else None,
        palette=palette_rgb(seen.palette, is_dark()),
        never=hex_rgb(NOT_ATTENDED[is_dark()]),
        scale=seen.scale,
        key="map",
        on_pin=_pin,
        on_move=_move,
    )
    st.caption(
        f"{size_of(stack)}; a coarse cell is the largest, or the mean, of the weights it stands for, "
        "a cell at full zoom is one weight. Grey: not attended, which is not the same as 0. "
        f"The sink is the {stack.keys.kind}, the first or a special one, that takes most weight; without it, "
        "*Heaviest* leads to the others."
    )


def _thumbnail(analysis: Analysis) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    seen = view()
    pictures = analysis.thumbnails[seen.stack]
    places = list(zip(pictures.layers, pictures.heads, strict=True))
    picture: np.ndarray[tuple[int, int], np.dtype[np.float16]] = pictures.values[
        places.index((seen.layer, seen.head))
    ]
    return picture


def _largest_mean(stack: Stack) -> float:
    """Say what the palette ends at where cells are means: sixteen times what all alike would have."""
    return min(1.0, 16 / max(1, len(stack.keys)))


def _span(chosen: str, count: int) -> tuple[int, int]:
    """Read what is to be seen of an axis; all of it where nothing possible was chosen."""
    start, stop = (int(part) for part in (chosen or f"0-{count}").split("-"))
    return (start, min(stop, count)) if start < min(stop, count) else (0, count)


def _pin() -> None:
    pinned = value_of("map").get("pinned")
    if pinned is not None:
        change(token=int(pinned))


def _move() -> None:
    span = value_of("map").get("span")
    if span:
        rows, columns = f"{span[0]}-{span[1]}", f"{span[2]}-{span[3]}"
        change(rows=rows, columns=columns)
