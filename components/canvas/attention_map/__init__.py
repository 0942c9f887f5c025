"""The attention map: a pattern of any length, from the whole of it down to single weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.shared.payload import (
    flat,
    half_bits,
    head_path,
    module,
    style,
    units_path,
    vendored,
)

HTML = """
<div class="map">
  <div class="bar" role="toolbar" aria-label="Attention map">
    <input type="search" placeholder="Find a key" aria-label="Find a key by its text">
    <span class="hits" aria-live="polite"></span>
    <button type="button" class="edge" title="Go to the next of the heaviest weights">Heaviest</button>
    <label title="Pass over the sink, the first or a special key that takes most weight, when looking for the heaviest weights"><input type="checkbox" checked>without the sink</label>
    <label title="Seen from afar, a cell stands for many weights: it shows the largest of them, or their mean">cells show the <select aria-label="What a cell of a coarse picture is">
      <option value="max">largest weight</option><option value="mean">mean weight</option></select></label>
    <button type="button" class="out" aria-label="Zoom out">&minus;</button>
    <button type="button" class="in" aria-label="Zoom in">+</button>
    <button type="button" class="fit">Whole</button>
  </div>
  <div class="problem" role="alert" hidden></div>
  <div class="plot">
    <canvas aria-hidden="true"></canvas>
    <canvas class="over" tabindex="0" role="application" aria-label="Attention map: rows are queries, columns are keys. Arrow keys move the crosshair, with Shift the view; plus and minus zoom; Enter pins the query; Home shows the whole."></canvas>
  </div>
  <div class="said" aria-live="polite" dir="auto"></div>
  <details><summary>Heaviest weights as a table</summary>
    <button type="button" class="file">Download CSV</button>
    <div class="table"><table><thead><tr><th scope="col">query</th><th scope="col">key</th>
      <th scope="col">weight</th><th scope="col"><span class="unseen">place</span></th></tr></thead><tbody></tbody></table></div>
  </details>
</div>
"""


@dataclass(frozen=True, slots=True)
class ShownEffect:
    """What is shown of each weight, where it is not the weight itself.

    Attributes:
        name: of the effects, by which the browser asks for parts of them.
        kind: of them.
        signed: whether there are numbers below 0.
        largest: how far from 0 they go; tiles are shares of it.
        unit: of them; empty for none.
    """

    name: str
    kind: str
    signed: bool
    largest: float
    unit: str


def _path(stack: str, effect: ShownEffect | None) -> str:
    return stack if effect is None else f"{stack}/effects/{effect.name}/{effect.kind}"


def attention_map(
    *,
    token: str,
    stack: str,
    layer: int,
    head: int,
    shape: tuple[int, int],
    levels: int,
    coarse: NDArray[np.float16],
    largest_mean: float,
    span: tuple[int, int, int, int],
    pinned: int | None,
    palette: Sequence[tuple[int, int, int]],
    never: tuple[int, int, int],
    scale: Literal["linear", "log"],
    key: str,
    on_pin: Callable[[], None],
    on_move: Callable[[], None],
    effect: ShownEffect | None = None,
) -> None:
    """Show one head's pattern; tiles of it are fetched as they are seen.

    Args:
        token: of the result.
        stack: its name.
        layer: from 0.
        head: from 0.
        shape: queries and keys.
        levels: of the tile pyramid.
        coarse: what is drawn until tiles have come, [row, column] as shares of the largest.
        largest_mean: of the pattern, at the end of the palette where cells are means.
        span: first query and the one after the last, and the same of keys, to be shown.
        pinned: the pinned query.
        palette: 256 colours.
        never: the colour of what may not be looked at.
        scale: `linear` draws the square root of the weight, `log` its logarithm.
        key: of the component; `pinned` (-1 for none) and `span` lie in its state.
        on_pin: called when a query was pinned or let go.
        on_move: called when another span is seen.
        effect: what is shown of each weight; the weight itself by default.
    """
    component = st.components.v2.component(
        "loupe_attention_map",
        html=HTML,
        css=style("attention_map"),
        js=vendored("d3-zoom") + module("attention_map"),
    )
    component(
        key=key,
        data={
            "base": head_path(token, _path(stack, effect), layer, head),
            "units": units_path(token, stack),
            "queries": shape[0],
            "keys": shape[1],
            "levels": levels,
            "table": half_bits(coarse),
            "rows": coarse.shape[0],
            "columns": coarse.shape[1],
            "largestMean": largest_mean,
            "span": list(span),
            "pinned": pinned,
            "palette": flat(palette),
            "never": list(never),
            "scale": scale,
            "signed": effect is not None and effect.signed,
            "unit": 1.0 if effect is None else effect.largest,
            "unitName": "" if effect is None else effect.unit,
            "label": "weight" if effect is None else "effect",
        },
        on_pinned_change=on_pin,
        on_span_change=on_move,
    )
