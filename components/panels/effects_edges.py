"""Weights that are cut, and what the prediction becomes without them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.explore_session import view
from components.run_panel import while_measuring
from components.session_state import recall, remember
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
    place = found.objective.place
    last = len(stack.keys)
    offered = list(range(last)) if last <= MOST_KEYS else _around(place, last)
    columns = st.multiselect(
        "Cut what is read from",
        offered,
        default=_heaviest(found, offered),
        key=f"effects cut keys {seen.stack} {last}",
        format_func=lambda key: f"{stack.keys.labels[key]} ({key})",
        help="Keys. Their queries attend to what is left.",
    )
    first, second = st.columns(2, gap="medium")
    who = first.selectbox("By", list(FROM), key="effects cut from", format_func=FROM.__getitem__)
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
    wanted = (request, found.objective, repr(edges))
    if st.button(
        "Cut these weights",
        key="effects cut",
        disabled=not columns,
        help="Runs the model once more; the mask forbids them.",
    ):
        done = while_measuring("Running the model without them", lambda _tell: _cut(found, edges))
        if done is not None:
            remember("effects cut found", (wanted, done))
    known, value = recall("effects cut found", (None, None))
    if known == wanted and value is not None:
        st.metric("Without them", f"{value:.3g} logits", f"{value - found.value:+.3g}")


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
