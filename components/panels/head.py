"""The selected head: its pattern, its numbers, its strongest edges."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import streamlit as st

from components.session import is_dark, view
from viz.analysis import strongest_edges
from viz.figures import Display, Shown, apply, pattern_figure
from viz.patterns import pooled
from viz.service import Analysis

# Larger patterns are pooled, because a heatmap cell would be smaller than a pixel.
LARGEST_EXACT = 256

EDGES = 20

BADGES = {"registry": "exact", "eager": "reported"}


def pattern_panel(analysis: Analysis) -> None:
    """Draw the selected head, whole or a span of it."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    title, badge = st.columns([3, 1], vertical_alignment="center")
    title.subheader(f"Layer {seen.layer}, head {seen.head}", anchor=False)
    tier = stack.provenance(seen.layer).tier
    with badge.popover(BADGES[tier], help="How these weights were come by", width="stretch"):
        _provenance(analysis)
    st.caption("Attention says where a head reads from, not why the model decided.")
    shown, note = _shown(analysis, seen.display)
    st.plotly_chart(
        pattern_figure(shown, display=seen.display, dark=is_dark()),
        key="pattern",
        config={"displaylogo": False, "scrollZoom": False},
    )
    st.caption(
        "; ".join([*note, *shown.notes]) or f"{len(stack.queries)} tokens, every weight exact"
    )


def numbers_panel(analysis: Analysis) -> None:
    """Say the head's statistics and list its strongest edges."""
    seen = view()
    at = (seen.layer, seen.head)
    statistics = analysis.statistics
    st.subheader("About this head", anchor=False)
    numbers = {
        "Entropy": (statistics.entropy_nats[at], "nats", "0 looks at one token, ln n at all alike"),
        "Mean distance": (statistics.mean_distance[at], "tokens", "how far it looks, on average"),
        "First token": (statistics.first[at], "", "mean weight on the first token, the usual sink"),
        "Current token": (statistics.current[at], "", "mean weight of a token on itself"),
        "Previous token": (statistics.previous[at], "", "mean weight on the token before"),
    }
    for name, (number, unit, words) in numbers.items():
        st.markdown(f"{name}: **{number:.3g}** {unit}", help=words)
    st.markdown("**Strongest edges**", help="The largest weights of this head.")
    edges = strongest_edges(
        analysis.trace.stacks[seen.stack],
        seen.layer,
        seen.head,
        EDGES,
        skip_special=seen.hide_special,
        skip_first=seen.without_sink,
    )
    st.dataframe(
        edges[["query token", "key token", "weight"]],
        hide_index=True,
        height=250,
        column_config={
            "query token": "query",
            "key token": "key",
            "weight": st.column_config.NumberColumn(format="%.3g"),
        },
    )
    st.download_button(
        "Download CSV",
        edges.to_csv(index=False).encode("utf-8", "replace"),
        f"edges-layer{seen.layer}-head{seen.head}.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
    )


def _shown(analysis: Analysis, display: Display) -> tuple[Shown, list[str]]:
    """Return the pattern to draw and what to say of it: whole, a span, or pooled."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    tokens = len(stack.queries)
    if tokens <= LARGEST_EXACT:
        pattern = stack.weights(seen.layer, seen.head).cpu().numpy()
        return apply(pattern, stack.queries, stack.keys, display), []
    whole = (0, tokens)
    rows = st.slider("Queries", 0, tokens, whole, key=f"rows {tokens}")
    columns = st.slider("Keys", 0, tokens, whole, key=f"columns {tokens}")
    fits = max(rows[1] - rows[0], columns[1] - columns[0]) <= LARGEST_EXACT
    if fits and min(rows[1] - rows[0], columns[1] - columns[0]) > 0:
        pattern = stack.weights(seen.layer, seen.head, slice(*rows), slice(*columns)).cpu().numpy()
        # Renormalising needs whole rows, and a span has not got them.
        part = replace(display, without_sink=False)
        words = f"queries {rows[0]} to {rows[1] - 1}, keys {columns[0]} to {columns[1] - 1}, exact"
        return apply(pattern, stack.queries.part(*rows), stack.keys.part(*columns), part), [words]
    picture, row_edges, column_edges = pooled(stack, seen.layer, seen.head, LARGEST_EXACT)
    block = -(-tokens // LARGEST_EXACT)
    labels = tuple(_span(a, b) for a, b in pairwise(row_edges))
    across = tuple(_span(a, b) for a, b in pairwise(column_edges))
    note = (
        f"{tokens:,} tokens, pooled: each cell is the largest of up to {block} x {block} weights; "
        f"narrow both sliders to {LARGEST_EXACT} tokens for exact weights"
    )
    thin = np.where(picture >= display.threshold, picture, np.float32(0))
    return Shown(thin, picture, labels, across), [note]


def _span(start: int, stop: int) -> str:
    return f"{start}" if stop - start == 1 else f"{start}–{stop - 1}"


def _provenance(analysis: Analysis) -> None:
    seen = view()
    proof = analysis.trace.stacks[seen.stack].provenance(seen.layer)
    st.markdown(f"**Layer {seen.layer}**")
    st.text(proof.summary().replace("; ", "\n"))
    st.caption(
        f"Checked on {proof.checked_rows} rows; both errors had to stay under {proof.tolerance:.1e}."
    )
