"""Weights that are cut, and what the prediction becomes without them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.explore_session import view
from components.panels.effects_without import without_panel
from viz.effects import EdgeKnockOuts, Edges, Effects
from viz.service import Request

# Keys that are offered by name; of a longer text those that come first and those around the prediction.
MOST_KEYS = 1_000

FROM = {"prediction": "the position of the prediction", "all": "every position"}
WHERE = {"head": "this head", "layer": "all heads of its layer", "layers": "layers from … to"}


def edges_panel(request: Request, found: Effects) -> None:
    """Ask for weights, cut them, and say what becomes of the prediction."""
    seen = view()
    stack = found.trace.stacks[seen.stack]
    place, count = found.objective.place, len(stack.keys)
    # Of an encoder-decoder what is predicted has no row among the encoder's.
    from_here = seen.stack != "encoder" and place < len(stack.queries)
    offered = list(range(count)) if count <= MOST_KEYS else _around(min(place, count - 1), count)
    columns = st.multiselect(
        "Cut what is read from",
        offered,
        default=_heaviest(found, offered) if from_here else offered[:1],
        key=f"effects cut keys {seen.stack} {count}",
        format_func=lambda key: f"{stack.keys.labels[key]} ({key})",
        help="Keys. Their queries attend to what is left.",
    )
    first, second = st.columns(2, gap="medium")
    who = first.selectbox(
        "By",
        list(FROM) if from_here else ["all"],
        key=f"effects cut from {from_here}",
        format_func=FROM.__getitem__,
    )
    where = second.selectbox(
        "In", list(WHERE), key="effects cut where", format_func=WHERE.__getitem__
    )
    layers: Sequence[int] | None = [seen.layer]
    if where == "layers" and stack.layers > 1:
        start, stop = st.slider(
            "Layers", 0, stack.layers - 1, (0, stack.layers - 1), key="effects cut layers"
        )
        layers = list(range(start, stop + 1))
    edges = Edges(
        rows=[place] if who == "prediction" else None,
        columns=columns,
        layers=layers,
        heads=[seen.head] if where == "head" else None,
        stack=seen.stack,
    )
    without_panel(
        found,
        (request, found.objective, edges),
        lambda: _cut(found, edges),
        name="effects cut",
        label="Cut these weights",
        hint="Runs the model once more; the mask forbids them.",
        progress="Running the model without them",
        title="Without them",
        disabled=not columns,
    )


def _cut(found: Effects, edges: Edges) -> float:
    done = found.knock_out(edges=[edges])
    assert isinstance(done, EdgeKnockOuts)
    return done.without[0]


def _heaviest(found: Effects, offered: Sequence[int]) -> list[int]:
    """Choose the key by whose weight the selected head adds most to the prediction."""
    seen, place = view(), found.objective.place
    products = found.weights("weight_gradient", seen.layer, seen.head, [place], stack=seen.stack)[0]
    best = int(products.abs().argmax())
    return [best] if best in offered else list(offered[:1])


def _around(place: int, count: int) -> list[int]:
    """List the first keys and those that stand before a position."""
    half = MOST_KEYS // 2
    return sorted({*range(half), *range(max(0, place - half), min(count, place + 1))})
