"""All heads at a glance, on one canvas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.payload import flat, half_bits, module, style
from viz.patterns import Thumbnails

HTML = (
    '<div class="grid" tabindex="0" role="application" '
    'aria-label="All heads: rows are layers, columns are heads. Arrow keys choose a head.">'
    '<div class="scroll"><canvas></canvas></div><div class="tip" aria-live="polite"></div></div>'
)


def head_grid(
    thumbnails: Thumbnails,
    numbers: Mapping[str, tuple[NDArray[np.float32], str]],
    *,
    selected: tuple[int, int],
    palette: Sequence[tuple[int, int, int]],
    key: str,
    on_pick: Callable[[], None],
) -> None:
    """Draw every head as a small pattern; a click or an arrow key selects one.

    Colour is the square root of the weight, so that weak patterns show. The picked layer and head
    lie in `st.session_state[key].picked` when `on_pick` is called. Beside it stand numbers of the
    head: by their name each [layer, head], and the unit.
    """
    component = st.components.v2.component(
        "loupe_head_grid", html=HTML, css=style("head_grid"), js=module("head_grid")
    )
    _, rows, columns = thumbnails.values.shape
    component(
        key=key,
        data={
            "table": half_bits(thumbnails.values),
            "rows": rows,
            "columns": columns,
            "layers": thumbnails.layers,
            "heads": thumbnails.heads,
            "selected": list(selected),
            "palette": flat(palette),
            "tips": _tips(thumbnails, numbers),
        },
        on_picked_change=on_pick,
    )


def _tips(
    thumbnails: Thumbnails, numbers: Mapping[str, tuple[NDArray[np.float32], str]]
) -> list[str]:
    """Say of each head what its picture cannot."""
    return [
        f"layer {layer}, head {head}: "
        + ", ".join(
            f"{name} {values[layer, head]:.3g} {unit}".rstrip()
            for name, (values, unit) in numbers.items()
        )
        for layer, head in zip(thumbnails.layers, thumbnails.heads, strict=True)
    ]
