"""All heads at a glance, on one canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from components.canvas.payload import flat, half_bits, module, style
from viz.patterns import Statistics, Thumbnails

HTML = (
    '<div class="grid" tabindex="0" role="application" '
    'aria-label="All heads: rows are layers, columns are heads. Arrow keys choose a head.">'
    '<div class="scroll"><canvas></canvas></div><div class="tip" aria-live="polite"></div></div>'
)


def head_grid(
    thumbnails: Thumbnails,
    statistics: Statistics,
    *,
    selected: tuple[int, int],
    palette: Sequence[tuple[int, int, int]],
    key: str,
    on_pick: Callable[[], None],
) -> None:
    """Draw every head as a small pattern; a click or an arrow key selects one.

    Colour is the square root of the weight, so that weak patterns show. The picked layer and head
    lie in `st.session_state[key].picked` when `on_pick` is called.
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
            "tips": _tips(thumbnails, statistics),
        },
        on_picked_change=on_pick,
    )


def _tips(thumbnails: Thumbnails, statistics: Statistics) -> list[str]:
    """Say of each head what its picture cannot."""
    return [
        f"layer {layer}, head {head}: entropy {statistics.entropy_nats[layer, head]:.3g} nats, "
        f"distance {statistics.mean_distance[layer, head]:.3g} tokens, "
        f"first {statistics.first[layer, head]:.3g}, previous {statistics.previous[layer, head]:.3g}"
        for layer, head in zip(thumbnails.layers, thumbnails.heads, strict=True)
    ]
