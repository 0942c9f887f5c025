"""Lines between two columns of tokens: what each query looks at, several heads at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import streamlit as st

from components.canvas.shared.payload import module, sendable, style
from viz.figures import OKABE_ITO
from viz.inputs.units import Units
from viz.patterns import Edges

Side = Literal["query", "key"]

HTML = (
    '<div class="view"><div class="stage"><h4>queries <span>(attend)</span></h4><h4>keys <span>(attended to)</span></h4>'
    '<div class="column looking" role="listbox" tabindex="0" aria-label="Looks from (queries). '
    'Up and down walk, right goes along the heaviest line, Enter pins.">'
    '<div class="rows" role="presentation"></div></div><canvas aria-hidden="true"></canvas>'
    '<div class="column looked" role="listbox" tabindex="0" aria-label="Looked at (keys). '
    'Up and down walk, left goes along the heaviest line, Enter pins.">'
    '<div class="rows" role="presentation"></div></div></div>'
    '<div class="details" role="group" aria-label="Heads and weights"></div>'
    '<span class="said" aria-live="polite" dir="auto"></span></div>'
)


def head_view(
    queries: Units,
    keys: Units,
    edges: Mapping[str, Edges],
    *,
    reach: str,
    pinned: tuple[Side, int] | None,
    key: str,
    on_pin: Callable[[], None],
) -> None:
    """Draw the largest weights of some heads as lines from queries (left) to keys (right).

    A line is the denser the larger its weight: opacity grows with the square root, and never is so little
    that the line is gone. Hovering a token leaves its lines alone, with their weights.

    Args:
        queries: the tokens that look.
        keys: the tokens looked at; where they are the same, both columns scroll together.
        edges: of each head by its name, at most `MOST_SELECTED`, all with as many keys a query.
        reach: said beside what looks at a key, because not every weight is a line.
        pinned: the column and the place of the pinned token.
        key: of the component; `pinned` lies in its state as [side, place], -1 for none.
        on_pin: called when a token was pinned or let go.
    """
    component = st.components.v2.component(
        "loupe_head_view",
        html=HTML,
        css=style("head_view"),
        js=module("head_view"),
    )
    component(
        key=key,
        data={
            "queries": _column(queries),
            "keys": None if keys == queries else _column(keys),
            "text": _digest(queries, keys),
            "unit": queries.kind,
            "edges": _packed(edges),
            "width": next(iter(edges.values())).keys.shape[1],
            "heads": [
                {"name": name, "colour": colour}
                for name, colour in zip(edges, OKABE_ITO, strict=False)
            ],
            "reach": reach,
            "pinned": None if pinned is None else list(pinned),
        },
        on_pinned_change=on_pin,
    )


def _packed(edges: Mapping[str, Edges]) -> pa.Table:
    """Lay the lines of all heads out one after the other, [head, query, key].

    Weights stay float32: of a half float the third digit that is shown would often be another.
    """
    return pa.table(
        {
            "weight": np.concatenate([one.weights.ravel() for one in edges.values()]),
            "key": np.concatenate([one.keys.ravel() for one in edges.values()]),
        }
    )


def _column(units: Units) -> pa.Table:
    """Name the tokens of a column, and tell which the tokenizer added."""
    labels = [sendable(label) for label in units.labels]
    return pa.table(
        {"label": pa.array(labels, pa.string()), "special": np.array(units.special, dtype=np.uint8)}
    )


def _digest(queries: Units, keys: Units) -> str:
    """Name a text, so that the browser can tell a new one from the same with other lines."""
    text = "\0".join((*queries.labels, "\0", *keys.labels))
    return hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
