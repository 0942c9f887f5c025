"""Weights that are cut, and what the prediction becomes without them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.explore_session import view
from components.panels.effects_found import shown_effects
from components.panels.effects_without import without_panel
from components.panels.find_on_demand import Passes
from viz.capture.stack import Stack
from viz.effects import EdgeKnockOuts, Edges, Effects
from viz.effects.every_head import is_read_at
from viz.effects.found_effects import FoundEffects
from viz.service import Analysis

# Keys that are offered by name; of a longer text those that come first and those around the prediction.
MOST_KEYS = 1_000

KEYS = {
    "names": "keys by name",
    "span": "a span of keys",
    "previous": "the token before each",
    "first": "the first token",
    "text": "one of the texts",
}
FROM = {
    "prediction": "the position of the prediction",
    "all": "every position",
    "span": "a span of positions",
}
WHERE = {
    "head": "this head",
    "selected": "the selected heads",
    "layer": "all heads of its layer",
    "layers": "layers from … to",
}


def edges_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Ask for weights, cut them, and say what becomes of the prediction."""
    seen = view()
    stack = found.trace.stacks[seen.stack]
    first, second, third = st.columns(3, gap="medium")
    with first:
        columns, offset = _keys(found, stack)
    with second:
        rows = _rows(found, stack)
    with third:
        where = _heads(stack)
    edges = [
        Edges(rows, columns, offset, layers=layers, heads=heads, stack=seen.stack)
        for layers, heads in where
    ]
    without_panel(
        found,
        (shown_effects(), tuple(map(repr, edges))),
        lambda tell: _cut(found, edges, tell),
        name="effects cut",
        label="Cut these weights",
        hint="Runs the model once more; the mask forbids them.",
        progress="Running the model without them",
        title="Without them",
        seconds=2 * analysis.seconds,
        disabled=columns is not None and not columns,
    )


def _heads(stack: Stack) -> list[tuple[list[int], list[int] | None]]:
    """Ask in which layers, and in which of their heads; None for all of a layer's."""
    seen = view()
    several = len(seen.chosen) > 1
    offered = {name: words for name, words in WHERE.items() if name != "selected" or several}
    where = st.selectbox(
        "In",
        list(offered),
        key=f"effects cut where {several}",
        format_func=offered.__getitem__,
        help="More heads are selected in the grid, with Ctrl or Command.",
    )
    if where == "selected":
        layers = sorted({layer for layer, _ in seen.chosen})
        return [([layer], [head for at, head in seen.chosen if at == layer]) for layer in layers]
    if where == "layers" and stack.layers > 1:
        start, stop = st.slider(
            "Layers", 0, stack.layers - 1, (0, stack.layers - 1), key="effects cut layers"
        )
        return [(list(range(start, stop + 1)), None)]
    return [([seen.layer], [seen.head] if where == "head" else None)]


def _keys(found: FoundEffects, stack: Stack) -> tuple[list[int] | None, int | None]:
    """Ask which keys, by name, as a span, or by a rule: the keys, and how many before their query they stand."""
    count, place = len(stack.keys), found.objective.position
    texts = sorted(set(stack.keys.segments))
    offered = {name: words for name, words in KEYS.items() if name != "text" or len(texts) > 1}
    if not stack.aligned:
        offered.pop("previous")
    how = st.selectbox(
        "Cut what is read from",
        list(offered),
        key=f"effects cut how {len(offered)}",
        format_func=offered.__getitem__,
        help="Keys. Their queries attend to what is left.",
    )
    if how == "previous":
        return None, 1
    if how == "first":
        return [0], None
    if how == "text":
        text = st.selectbox(
            "Text", texts, key="effects cut text", format_func=lambda at: f"{at + 1}"
        )
        return [at for at in range(count) if stack.keys.segments[at] == text], None
    if how == "span":
        return _span("Keys", "effects cut span", count), None
    near = count - 1 if place is None else min(place, count - 1)
    names = list(range(count)) if count <= MOST_KEYS else _around(near, count)
    from_here = is_read_at(found.trace, found.objective, stack.name)
    chosen: list[int] = st.multiselect(
        "Keys",
        names,
        default=_heaviest(found, names) if from_here else names[:1],
        key=f"effects cut keys {stack.name} {count}",
        format_func=lambda key: f"{stack.keys.labels[key]} ({key})",
    )
    return chosen, None


def _rows(found: FoundEffects, stack: Stack) -> list[int] | None:
    """Ask whose queries: those of the prediction, of a span, or all."""
    # What is said of the whole input has no row, and what an encoder-decoder predicts none among the encoder's.
    from_here = is_read_at(found.trace, found.objective, stack.name)
    who = st.selectbox(
        "From",
        list(FROM) if from_here else [name for name in FROM if name != "prediction"],
        key=f"effects cut from {from_here}",
        format_func=FROM.__getitem__,
    )
    if who == "prediction":
        return [found.objective.place]
    return _span("Queries", "effects cut rows", len(stack.queries)) if who == "span" else None


def _span(label: str, key: str, count: int) -> list[int]:
    """Ask for a run of units."""
    if count == 1:
        return [0]
    start, stop = st.slider(label, 0, count - 1, (0, count - 1), key=f"{key} {count}")
    return list(range(start, stop + 1))


def _cut(found: FoundEffects, edges: Sequence[Edges], tell: Passes) -> float:
    done = found.ask(Effects.knock_out, edges=[edges], progress=tell)
    assert isinstance(done, EdgeKnockOuts)
    return done.without[0]


def _heaviest(found: FoundEffects, offered: Sequence[int]) -> list[int]:
    """Choose the key by whose weight the selected head adds most to the prediction."""
    seen, place = view(), found.objective.place
    products = found.weights("weight_gradient", seen.layer, seen.head, [place], stack=seen.stack)[0]
    best = int(products.abs().argmax())
    return [best] if best in offered else list(offered[:1])


def _around(place: int, count: int) -> list[int]:
    """List the first keys and those that stand before a position."""
    half = MOST_KEYS // 2
    return sorted({*range(half), *range(max(0, place - half), min(count, place + 1))})
