"""The text as the model sees it, shaded by where tokens look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from components.canvas.shared.payload import flat, module, style
from viz.figures import text_layout
from viz.inputs.units import Units

Direction = Literal["looks at", "looked at by"]

HTML = (
    '<div class="strip"><div class="bar">'
    '<span role="group" aria-label="Direction"><button type="button" title="what a token looks at">attends to</button>'
    '<button type="button" title="which tokens look at it">attended by</button></span>'
    '<span class="readout"><span class="said" aria-live="polite" dir="auto"></span> '
    '<span class="hint"></span></span></div>'
    '<div class="tokens queries" role="listbox" tabindex="0" aria-label="Tokens" dir="auto"></div>'
    '<div class="tokens keys" role="listbox" tabindex="0" aria-label="Tokens attended to" dir="auto" '
    "hidden></div></div>"
)


def token_strip(
    queries: Units,
    keys: Units,
    *,
    units: str | None,
    pattern: NDArray[np.float32] | None,
    base: str | None,
    pinned: int | None,
    direction: Direction,
    palette: Sequence[tuple[int, int, int]],
    key: str,
    on_pin: Callable[[], None],
    on_turn: Callable[[], None],
) -> None:
    """Show the tokens; hovering one shades the text by what it looks at, a click pins it.

    Args:
        queries: the tokens that look.
        keys: the tokens looked at; drawn on their own where they are others.
        units: for longer texts, where their tokens can be fetched.
        pattern: all weights [query, key] for texts short enough; hovering needs them.
        base: for longer texts, where rows and columns of the head can be fetched.
        pinned: the pinned token.
        direction: whether to shade by what a token looks at or by what looks at it.
        palette: 256 colours.
        key: of the component; `pinned` (-1 for none) and `direction` lie in its state.
        on_pin: called when a token was pinned or let go.
        on_turn: called when the direction was switched.
    """
    component = st.components.v2.component(
        "loupe_token_strip",
        html=HTML,
        css=style("token_strip"),
        js=module("token_strip"),
    )
    data = {
        "unit": queries.kind,
        "two": keys != queries,
        "units": units,
        "base": base,
        "pinned": pinned,
        "direction": direction,
        "palette": flat(palette),
    }
    if units is None:
        data["texts"] = {"queries": text_layout(queries), "keys": text_layout(keys)}
    if pattern is not None:
        # Weights are said here, so they stay float32: half a float's third digit is often another.
        data["table"] = pa.table({"weight": pattern.astype(np.float32, copy=False).ravel()})
    component(key=key, data=data, on_pinned_change=on_pin, on_direction_change=on_turn)
