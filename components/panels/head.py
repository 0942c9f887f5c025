"""The selected head: its pattern, its numbers, its strongest edges."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from components.panels.literal import literal
from components.panels.tokens import display_panel
from components.panels.words import left_out, plural, size_of, statistics_of
from components.session import change, is_dark, view, workbench
from viz.analysis import strongest_edges
from viz.errors import LoupeError
from viz.figures import Display, Shown, apply, pattern_figure, sink_of, span_words
from viz.patterns import pooled
from viz.service import Analysis

# Larger patterns are pooled, because a heatmap cell would be smaller than a pixel.
LARGEST_EXACT = 264

EDGES = 20

PLOTLY = {
    "displaylogo": False,
    "showTips": False,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}

BADGES = {"registry": "exact", "hooks": "exact", "eager": "reported", "given": "given"}


def pattern_panel(analysis: Analysis) -> None:
    """Draw the selected head, whole or a span of it."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Layer {seen.layer}, head {seen.head}", anchor=False)
        tier = stack.provenance(seen.layer).tier
        with st.popover(BADGES[tier]):
            _provenance(analysis)
        display_panel(stack)
    st.caption(
        "Attention says where a head reads from, not why the model decided.",
        help=f"This layer is {literal(stack.record(seen.layer).name)} in the model.",
    )
    shown, note = _shown(analysis, seen.display)
    if shown.values.size == 0:
        st.info(
            f"Every {stack.queries.kind} here is special and hidden; show special tokens to see them."
        )
        return
    st.plotly_chart(
        pattern_figure(shown, display=seen.display, dark=is_dark()),
        key="pattern",
        config=PLOTLY,
    )
    exact = f"{size_of(stack)}, every weight drawn"
    grey = [] if shown.attended is None else ["grey: not attended, which is not the same as 0"]
    st.caption(literal("; ".join([*([*note, *shown.notes] or [exact]), *grey])))


def numbers_panel(analysis: Analysis) -> None:
    """Say the head's statistics and list its strongest edges."""
    seen = view()
    at = (seen.layer, seen.head)
    statistics = analysis.statistics[seen.stack]
    stack = analysis.trace.stacks[seen.stack]
    st.subheader("About this head", anchor=False)
    for words in statistics_of(stack).values():
        number = getattr(statistics, words.field)[at]
        st.markdown(f"{literal(words.short)}: **{number:.3g}** {words.unit}", help=words.meaning)
    if not stack.aligned:
        st.caption(left_out(stack))
    st.markdown("**Strongest edges**", help="The largest weights of this head.")
    edges = strongest_edges(
        analysis.trace.stacks[seen.stack],
        seen.layer,
        seen.head,
        EDGES,
        skip_special=seen.hide_special,
        skip_key=_sink(analysis) if seen.without_sink else None,
    )
    units = {
        "query token": f"query {stack.queries.kind}",
        "key token": f"key {stack.keys.kind}",
    }
    named = {
        "query": edges["query token"] + " (" + edges["query"].astype(str) + ")",
        "key": edges["key token"] + " (" + edges["key"].astype(str) + ")",
        "weight": edges["weight"],
    }
    st.dataframe(
        named,
        hide_index=True,
        height=250,
        column_config={"weight": st.column_config.NumberColumn(format="%.3g")},
    )
    st.download_button(
        "Download CSV",
        edges.rename(columns=units).to_csv(index=False).encode("utf-8", "replace"),
        f"edges-layer{seen.layer}-head{seen.head}.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
    )


def _shown(analysis: Analysis, display: Display) -> tuple[Shown, list[str]]:
    """Return the pattern to draw and what to say of it: whole, a span, or pooled."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    if max(len(stack.queries), len(stack.keys)) <= LARGEST_EXACT:
        pattern = stack.weights(seen.layer, seen.head).cpu().numpy()
        may_look = stack.attended(seen.layer, seen.head).cpu().numpy()
        return apply(pattern, stack.queries, stack.keys, display, attended=may_look), []
    looking, looked_at = plural(stack.queries.kind), plural(stack.keys.kind)
    rows = _span("rows", f"Queries ({looking})", seen.rows, len(stack.queries))
    columns = _span("columns", f"Keys ({looked_at})", seen.columns, len(stack.keys))
    fits = max(rows[1] - rows[0], columns[1] - columns[0]) <= LARGEST_EXACT
    if fits and min(rows[1] - rows[0], columns[1] - columns[0]) > 0:
        part_of = (seen.layer, seen.head, slice(*rows), slice(*columns))
        pattern = stack.weights(*part_of).cpu().numpy()
        may_look = stack.attended(*part_of).cpu().numpy()
        # Renormalising needs whole rows, and a span has not got them.
        part = replace(display, without_sink=False)
        kept = (
            "; the sink stays, because rows of a span are not whole" if display.without_sink else ""
        )
        words = f"queries {rows[0]} to {rows[1] - 1}, keys {columns[0]} to {columns[1] - 1}, exact{kept}"
        queries, keys = stack.queries.part(*rows), stack.keys.part(*columns)
        first = (rows[0], columns[0])
        return apply(pattern, queries, keys, part, first=first, attended=may_look), [words]
    picture, row_edges, column_edges = pooled(stack, seen.layer, seen.head, LARGEST_EXACT)
    down = tuple(span_words(a, b) for a, b in pairwise(row_edges))
    across = tuple(span_words(a, b) for a, b in pairwise(column_edges))
    tall = max(b - a for a, b in pairwise(row_edges))
    wide = max(b - a for a, b in pairwise(column_edges))
    note = (
        f"{size_of(stack)}, pooled: each cell is the largest of up to {tall} x {wide} weights; "
        f"narrow both sliders to {LARGEST_EXACT} or fewer for exact weights"
    )
    notes = [note]
    if display.threshold > 0:
        notes.append(f"weights under {display.threshold:g} not shown")
    if display.words or display.hide_special or display.without_sink or display.top_k:
        notes.append(
            "words, special tokens, the sink and the largest of a row are left as they are"
        )
    thin = np.where(picture >= display.threshold, picture, np.float32(0))
    nameless = ("",) * len(down), ("",) * len(across)
    return Shown(thin, picture, *nameless, down, across), notes


def _sink(analysis: Analysis) -> int | None:
    """Name the key that the pattern is shown without; the first token where it is too long to say."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    if len(stack.keys) > LARGEST_EXACT:
        return 0
    return sink_of(stack.weights(seen.layer, seen.head).cpu().numpy(), stack.keys)


def _span(name: str, label: str, chosen: str, count: int) -> tuple[int, int]:
    """Ask for a span of an axis, and keep it in the link."""
    key = f"{name} {count}"
    start, stop = (int(part) for part in (chosen or f"0-{count}").split("-"))
    st.session_state[key] = (min(start, count), min(stop, count)) if start <= stop else (0, count)

    def keep() -> None:
        first, last = st.session_state[key]
        change(**{name: "" if (first, last) == (0, count) else f"{first}-{last}"})

    st.slider(label, 0, count, key=key, on_change=keep)
    span: tuple[int, int] = st.session_state[key]
    return span


def _comparison(analysis: Analysis) -> None:
    """Run the model once more, eagerly, and list how far every layer is from that."""
    if st.button("Compare with eager attention"):
        try:
            with st.spinner("Running the model a second time"):
                checked = workbench().check(analysis.request, lambda _phase, _share: None)
        except LoupeError as error:
            st.error(literal(f"{error.message} {error.hint}"))
            return
        st.session_state.checked = (analysis.request, checked)
    request, checked = st.session_state.get("checked", (None, None))
    if checked is None or request != analysis.request:
        return
    said = checked.summary()
    st.caption(literal(f"{said[0].upper()}{said[1:]}."))
    layers = checked.layers[["stack", "layer", "tier", "difference", "allowed"]]
    here = layers["stack"] == view().stack
    st.dataframe(
        # What is looked at comes first.
        pd.concat([layers[here], layers[~here]]),
        hide_index=True,
        height=200,
        column_config={
            name: st.column_config.NumberColumn(format="%.1e") for name in ("difference", "allowed")
        },
    )


def _provenance(analysis: Analysis) -> None:
    seen = view()
    proof = analysis.trace.stacks[seen.stack].provenance(seen.layer)
    st.markdown(f"**Layer {seen.layer}**")
    st.text(proof.summary().replace("; ", "\n"))
    _comparison(analysis)
    st.caption(
        f"Checked on {proof.checked_rows} rows; allowed {proof.tolerance:.1e}, "
        "and 1e-5 for row sums."
    )
