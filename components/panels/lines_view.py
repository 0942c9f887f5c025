"""Lines from tokens to what they look at most, of several heads at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components.canvas import MOST_SELECTED, head_view
from components.canvas.head_view import Side
from components.explore_session import change, owner, view
from components.head_views import HEAD_VIEWS, HeadView
from components.panels.plain_text import literal
from components.panels.statistic_labels import plural
from components.selection_limits import is_mapped
from components.session_state import remember, value_of
from viz.capture.stack import Stack
from viz.patterns import MOST_KEYS, Edges, largest_edges
from viz.service import Analysis
from viz.service.lru_store import BoundedStore

# More would hide each other in a text of usual length.
USUAL_KEYS = 5

# What a table on the page shows, and what a file holds.
MOST_TABLED, MOST_IN_FILE = 500, 100_000

# A text of 16,000 tokens takes 2 MB a head.
KEPT_BYTES = 200_000_000

CHOICES = ("threshold", "without_sink")


def _lines(analysis: Analysis) -> None:
    stack = analysis.trace.stacks[view().stack]
    _controls(stack)
    edges = _edges(analysis)
    pinned = _pinned(stack)
    largest = f"{_count()} largest weights" if _count() > 1 else "largest weight"
    head_view(
        stack.queries,
        stack.keys,
        edges,
        reach=f"Only where it is among the {largest} of a {stack.queries.kind}.",
        pinned=pinned,
        key="lines",
        on_pin=lambda: _pin(stack),
    )
    st.caption(literal("; ".join(_notes(stack, edges))))
    table = st.expander("Lines as a table", key="lines table", type="compact", on_change="rerun")
    if table.open:
        with table:
            _table(stack, edges, pinned)


def _choose(**choices: Any) -> None:
    """Change what is to be seen, here and in every other panel."""
    change(**choices)
    remember("view chose", True)


def _controls(stack: Stack) -> None:
    """Ask which heads, and how many of their lines; a pattern drawn above follows, a map does not."""
    seen = view()
    heads = [(layer, head) for layer in range(stack.layers) for head in range(stack.heads(layer))]
    remember("lines heads", list(seen.chosen[:MOST_SELECTED]))
    remember("lines count", _count())
    for name in CHOICES:
        remember(f"lines {name}", getattr(seen, name))
    which, count, threshold, sink = st.columns(
        [2.4, 1.2, 1, 1], gap="medium", vertical_alignment="bottom"
    )
    which.multiselect(
        "Heads",
        heads,
        key="lines heads",
        format_func=lambda place: name_of(*place),
        max_selections=MOST_SELECTED,
        on_change=_choose_heads,
        help=f"Up to {MOST_SELECTED} at once, each in a colour of its own.",
    )
    count.slider(
        f"Lines from each {stack.queries.kind}",
        1,
        MOST_KEYS,
        key="lines count",
        on_change=lambda: _choose(top_k=value_of("lines count")),
        help=None
        if is_mapped(stack)
        else "The pattern above shows as many weights of each row then; 0 in its Display shows all.",
    )
    threshold.number_input(
        "Hide weights under",
        0.0,
        1.0,
        step=0.01,
        key="lines threshold",
        on_change=_show,
        help="A share of 1, which is what all weights of a row add up to; 0 hides none.",
    )
    sink.toggle(
        "Without the sink",
        key="lines without_sink",
        on_change=_show,
        help=f"A sink is a {stack.keys.kind}, often the first, that takes weight a head does not need.",
    )


def name_of(layer: int, head: int) -> str:
    """Name a head as the page does in running text."""
    return f"layer {layer}, head {head}"


@st.cache_resource(show_spinner=False)
def _kept() -> BoundedStore[Edges]:
    """Return where the largest weights of heads that somebody looked at are kept."""
    return BoundedStore(KEPT_BYTES, lambda edges: edges.weights.nbytes + edges.keys.nbytes)


def _edges(analysis: Analysis) -> dict[str, Edges]:
    """Find the lines of every selected head; telling progress is also where a dead run stops."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    slot = st.empty()
    found: dict[str, Edges] = {}
    for layer, head in seen.chosen[:MOST_SELECTED]:
        name = name_of(layer, head)
        left_out = (seen.hide_special, seen.without_sink)
        at = (owner(), analysis.request, seen.stack, layer, head, *left_out)
        edges = _kept().get(at)
        if edges is None:
            edges = largest_edges(
                stack,
                layer,
                head,
                without_special=seen.hide_special,
                without_sink=seen.without_sink,
                progress=_telling(slot, name),
            )
            _kept().put(at, edges)
        found[name] = edges.largest(_count(), threshold=seen.threshold)
    slot.empty()
    return found


def _telling(slot: DeltaGenerator, name: str) -> Callable[[float], None]:
    """Show how far the lines of a head are; a short text is done at once, and nothing flashes."""

    def progress(share: float) -> None:
        if share < 1:
            slot.progress(share, f"Finding the lines of {name}")

    return progress


def _count() -> int:
    """How many lines leave each query: as many weights of a row as are shown, if that can be drawn."""
    return min(view().top_k or USUAL_KEYS, MOST_KEYS)


def _notes(stack: Stack, edges: Mapping[str, Edges]) -> list[str]:
    """Say what the lines are, and what was left out."""
    seen = view()
    one, keys = stack.queries.kind, plural(stack.keys.kind)
    notes = [
        f"The {_count()} {keys} that each {one} attends to most"
        if _count() > 1
        else f"The {stack.keys.kind} that each {one} attends to most",
        "the denser a line, the larger its weight",
    ]
    if seen.threshold > 0:
        notes.append(f"weights under {seen.threshold:g} not drawn")
    if seen.hide_special and any((*stack.queries.special, *stack.keys.special)):
        notes.append("special tokens left out")
    sinks = sorted({edge.sink for edge in edges.values() if edge.sink is not None})
    if sinks:
        named = ", ".join(f"{stack.keys.labels[sink]} ({sink})" for sink in sinks)
        notes.append(
            f"without the sink {named}"
            if len(sinks) == 1
            else f"without each head's sink ({named})"
        )
    if seen.words:
        notes.append("sub-words are not merged here")
    if len(seen.chosen) > MOST_SELECTED:
        notes.append(f"the first {MOST_SELECTED} of {len(seen.chosen)} heads")
    return notes


def _table(stack: Stack, edges: Mapping[str, Edges], pinned: tuple[Side, int] | None) -> None:
    """List the lines, those of the pinned token if there is one."""
    total = sum(int(_chosen(edge.keys, pinned).sum()) for edge in edges.values())
    frame = lines_frame(stack, edges, pinned, MOST_TABLED)
    if pinned is not None:
        units = stack.queries if pinned[0] == "query" else stack.keys
        st.caption(literal(f"Lines of {units.labels[pinned[1]]} ({pinned[1]}) alone."))
    if total > len(frame):
        st.caption(f"The first {len(frame):,} of {total:,} lines.")
    st.dataframe(
        frame,
        hide_index=True,
        height=280,
        column_config={"weight": st.column_config.NumberColumn(format="%.3g")},
    )
    most = f" (the first {MOST_IN_FILE:,} lines)" if total > MOST_IN_FILE else ""
    st.download_button(
        f"Download CSV{most}",
        lambda: (
            lines_frame(stack, edges, pinned, MOST_IN_FILE)
            .to_csv(index=False)
            .encode("utf-8", "replace")
        ),
        "lines.csv",
        "text/csv",
        key="lines file",
        on_click="ignore",
    )


def lines_frame(
    stack: Stack, edges: Mapping[str, Edges], pinned: tuple[Side, int] | None, most: int
) -> pd.DataFrame:
    """Lay lines out, one a row: by query, then by head, the largest weight first; at most so many."""
    keys = np.stack([edge.keys for edge in edges.values()], axis=1)
    weights = np.stack([edge.weights for edge in edges.values()], axis=1)
    at = _chosen(keys, pinned).nonzero()  # [query, head, place]
    query, head, place = (axis[:most] for axis in at)
    key = keys[query, head, place]
    names = list(edges)
    return pd.DataFrame(
        {
            "query": [f"{stack.queries.labels[index]} ({index})" for index in query],
            "key": [f"{stack.keys.labels[index]} ({index})" for index in key],
            "weight": weights[query, head, place],
            "head": [names[number] for number in head],
        }
    )


def _chosen(keys: NDArray[np.int32], pinned: tuple[Side, int] | None) -> NDArray[np.bool_]:
    """Say which places of [query, ..., k] hold a line, of the pinned token if there is one."""
    drawn = keys >= 0
    if pinned is None:
        return drawn
    side, index = pinned
    if side == "key":
        return drawn & (keys == index)
    own = np.zeros_like(drawn)
    own[index] = drawn[index]
    return own


def _pinned(stack: Stack) -> tuple[Side, int] | None:
    """Return the pinned token's column and place; of two texts only queries have a link."""
    seen = view()
    if not 0 <= seen.token < len(stack.queries):
        return None
    looked_at = seen.direction == "looked at by" and stack.queries == stack.keys
    return ("key" if looked_at else "query"), seen.token


def _pin(stack: Stack) -> None:
    pinned = value_of("lines").get("pinned")
    if pinned is None:
        return
    side, index = pinned
    if index < 0 or stack.queries != stack.keys:
        _choose(token=int(index))
        return
    _choose(token=int(index), direction="looks at" if side == "query" else "looked at by")


def _choose_heads() -> None:
    chosen = value_of("lines heads")
    if chosen:
        (layer, head), *others = chosen
        _choose(layer=layer, head=head, also=",".join(f"{a}.{b}" for a, b in others))


def _show() -> None:
    chosen = {name: value_of(f"lines {name}") for name in CHOICES}
    _choose(**{name: value for name, value in chosen.items() if value is not None})


LINES = HEAD_VIEWS.add(HeadView("lines", "Lines", _lines))
