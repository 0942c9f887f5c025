"""All heads at a glance, on one canvas."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from components.canvas.shared.payload import flat, half_bits, module, style
from viz.figures import OKABE_ITO
from viz.patterns import Thumbnails

# As many heads at once as there are colours that everyone can tell apart.
MOST_SELECTED = len(OKABE_ITO)

# Pixels of the picture that lies under every head, along its longer side.
LARGEST_PICTURE = 128

HTML = """
<div class="grid" tabindex="0" role="listbox" aria-multiselectable="true" aria-activedescendant="head"
     aria-label="All heads. Arrow keys choose a head, with Shift they only move there; Space adds or takes
     away a head, Enter chooses it alone; plus and minus change the size.">
  <div class="scroll" role="presentation"><div class="room" role="presentation"><canvas aria-hidden="true"></canvas></div></div>
  <div class="option" id="head" role="option"></div>
</div>
<div class="bar">
  <div class="tip" aria-hidden="true"></div>
  <button type="button" class="smaller" aria-label="Smaller pictures" title="Smaller pictures">&minus;</button>
  <button type="button" class="larger" aria-label="Larger pictures" title="Larger pictures">+</button>
</div>
<div class="said" aria-live="polite"></div>
"""


def head_grid(
    thumbnails: Thumbnails,
    numbers: Mapping[str, tuple[NDArray[np.float32], str]],
    *,
    result: str,
    order: Sequence[int],
    flow: bool,
    selected: Sequence[tuple[int, int]],
    palette: Sequence[tuple[int, int, int]],
    key: str,
    on_pick: Callable[[], None],
    picture: NDArray[np.uint8] | None = None,
    signed: bool = False,
) -> None:
    """Draw every head as a small pattern; a click or an arrow key selects one.

    With Ctrl, Cmd or Shift a click adds a head or takes it away, as Space does. The heads that are
    selected then lie in `picked` of the component's value, [layer, head] each, the first first, when
    `on_pick` is called. They are outlined in the colours of `OKABE_ITO`, in this order, as their lines
    are coloured. Colour inside is the square root of the weight, so that weak patterns show.

    Args:
        thumbnails: of every head.
        numbers: what is said of a head, by name; each [layer, head], and the unit.
        result: where what belongs to its heads can be fetched, for the components that show one.
        order: which heads are shown, indices into the thumbnails.
        flow: whether they stand in reading order with their names, or a line for each layer.
        selected: (layer, head), the first first.
        palette: 256 colours.
        key: of the component.
        on_pick: called when other heads were selected.
        picture: [height, width, 3], under every head, which lights it up where it looks; then the
            thumbnails are what one query looks at, and colour is the weight itself.
        signed: whether there are numbers below 0, and the palette has two sides.
    """
    component = st.components.v2.component(
        "loupe_head_grid",
        html=HTML,
        css=style("head_grid"),
        js=module("head_grid"),
    )
    _, rows, columns = thumbnails.values.shape
    component(
        key=key,
        data={
            "table": half_bits(thumbnails.values),
            "name": hashlib.sha1(thumbnails.values.tobytes(), usedforsecurity=False).hexdigest(),
            "result": result,
            "rows": rows,
            "columns": columns,
            "layers": thumbnails.layers,
            "heads": thumbnails.heads,
            "order": list(order),
            "flow": flow,
            "selected": [list(place) for place in selected[:MOST_SELECTED]],
            "colours": OKABE_ITO,
            "palette": flat(palette),
            "signed": signed,
            "words": [[name, unit] for name, (_, unit) in numbers.items()],
            **({"picture": None} if picture is None else _picture(picture)),
            "numbers": _packed(thumbnails, [values for values, _ in numbers.values()]),
        },
        on_picked_change=on_pick,
    )


def _picture(picture: NDArray[np.uint8]) -> dict[str, object]:
    """Make a picture small and grey, so that light of one colour tells on all of it."""
    small = Image.fromarray(picture)
    small.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    grey = np.asarray(small.convert("L"))
    name = hashlib.sha1(grey.tobytes(), usedforsecurity=False).hexdigest()
    return {
        "picture": {"name": name, "rows": grey.shape[0], "columns": grey.shape[1]},
        # Only what stands at the top of a component's data may be a table.
        "grey": pa.table({"grey": grey.ravel()}),
    }


def _packed(thumbnails: Thumbnails, numbers: Sequence[NDArray[np.float32]]) -> pa.Table:
    """Lay the numbers of all heads out one name after the other, in the order of the pictures."""
    at = np.array(thumbnails.layers), np.array(thumbnails.heads)
    picked = [values[at].astype(np.float32) for values in numbers]
    return pa.table({"numbers": np.concatenate([np.empty(0, np.float32), *picked])})
