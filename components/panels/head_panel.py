"""The selected head: its pattern, its numbers, its strongest edges."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from components.explore_session import is_dark, view, workbench
from components.panels.compare.compare_links import head_link
from components.panels.drawing_progress import is_drawn
from components.panels.map_panel import map_panel
from components.panels.plain_text import literal
from components.panels.statistic_labels import left_out, padding_words, size_of, statistics_of
from components.panels.token_panel import display_panel
from components.run_panel import in_words, stop_if_superseded
from components.selection_limits import is_mapped
from components.session_state import recall, remember
from viz.analysis import EXPORT_FORMATS, HeadToExport, strongest_edges
from viz.analysis.exports.edges_csv import EDGES
from viz.capture.checking.model_check import COLUMNS
from viz.capture.stack import Stack
from viz.errors import LoupeError
from viz.figures import apply, pattern_figure, sink_of
from viz.service import Analysis

# Columns of the strongest edges, in pixels: a long name is cut, so that the weight stays in sight.
NAME_WIDTH = 70
WEIGHT_WIDTH = 60

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
        display_panel(stack, mapped=is_mapped(stack))
        head_link("Compare →", seen, analysis.trace)
    st.caption(
        "Attention says where a head reads from, not why the model decided.",
        help=f"This layer is {literal(stack.name_of(seen.layer))} in the model.",
    )
    if is_mapped(stack):
        map_panel(analysis)
        _padding(analysis, stack)
        return
    pattern = stack.weights(seen.layer, seen.head).cpu().numpy()
    may_look = stack.attended(seen.layer, seen.head).cpu().numpy()
    shown = apply(pattern, stack.queries, stack.keys, seen.display, attended=may_look)
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
    st.caption(literal("; ".join([*(shown.notes or [exact]), *grey])))
    _padding(analysis, stack)


def _padding(analysis: Analysis, stack: Stack) -> None:
    """Say how much weight lies on what fills a sound up."""
    seen = view()
    if analysis.loudness is not None and (
        said := padding_words(stack, seen.layer, seen.head, analysis.loudness[1])
    ):
        st.caption(said)


def numbers_panel(analysis: Analysis) -> None:
    """Say the head's statistics and list its strongest edges."""
    seen = view()
    at = (seen.layer, seen.head)
    statistics = analysis.statistics[seen.stack]
    stack = analysis.trace.stacks[seen.stack]
    st.subheader("About this head", anchor=False)
    if is_drawn(analysis):
        for words in statistics_of(stack).values():
            number = statistics.of(words.field)[at]
            said = f"{literal(words.short)}: **{number:.3g}** {words.unit}"
            st.markdown(said, help=words.meaning)
    else:
        st.caption("Its numbers follow as soon as its layer is drawn.")
    head_link("Heads like this one →", seen, analysis.trace, part="heads")
    if not stack.aligned:
        st.caption(left_out(stack))
    if is_mapped(stack):
        st.caption("The heaviest weights stand below the map.")
        return
    st.markdown("**Strongest edges**", help="The largest weights of this head.")
    edges = strongest_edges(
        analysis.trace.stacks[seen.stack],
        seen.layer,
        seen.head,
        EDGES,
        skip_special=seen.hide_special,
        skip_key=_sink(analysis) if seen.without_sink else None,
    )
    named = {
        "query": edges["query token"] + " (" + edges["query"].astype(str) + ")",
        "key": edges["key token"] + " (" + edges["key"].astype(str) + ")",
        "weight": edges["weight"],
    }
    st.dataframe(
        named,
        hide_index=True,
        height=250,
        column_config={
            "query": st.column_config.TextColumn(width=NAME_WIDTH),
            "key": st.column_config.TextColumn(width=NAME_WIDTH),
            "weight": st.column_config.NumberColumn(format="%.3g", width=WEIGHT_WIDTH),
        },
    )
    exported = HeadToExport(
        stack,
        seen.layer,
        seen.head,
        skip_special=seen.hide_special,
        skip_key=_sink(analysis) if seen.without_sink else None,
    )
    for one in EXPORT_FORMATS.values():
        st.download_button(
            one.title,
            # Made once somebody asks for it.
            partial(one.write, exported),
            one.file_name(exported),
            one.media_type,
            key=f"export {one.name}",
            help=f"Holds {one.meaning}.",
            on_click="ignore",
            width="stretch",
        )


def _sink(analysis: Analysis) -> int | None:
    """Name the key that the pattern is shown without."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    return sink_of(stack.weights(seen.layer, seen.head).cpu().numpy(), stack.keys)


def _comparison(analysis: Analysis) -> None:
    """Run the model once more, eagerly, and list how far every layer is from that."""
    if st.button("Compare with eager attention"):
        try:
            with st.spinner("Running the model a second time"):
                checked = workbench().check(analysis.request, _going)
        except LoupeError as error:
            st.error(in_words(error))
            return
        remember("checked", (analysis.request, checked))
    request, checked = recall("checked", (None, None))
    if checked is None or request != analysis.request:
        return
    said = checked.summary()
    st.caption(literal(f"{said[0].upper()}{said[1:]}."))
    layers = checked.layers[["stack", "layer", "tier", "difference", "allowed", "note"]]
    layers = layers.drop(columns="note") if (layers["note"] == "").all() else layers
    here = layers["stack"] == view().stack
    st.dataframe(
        # What is looked at comes first.
        pd.concat([layers[here], layers[~here]]),
        hide_index=True,
        height=200,
        column_config={
            "tier": st.column_config.TextColumn(help=COLUMNS["tier"]),
            **{
                name: st.column_config.NumberColumn(format="%.1e", help=COLUMNS[name])
                for name in ("difference", "allowed")
            },
            "note": st.column_config.TextColumn(help=COLUMNS["note"]),
        },
    )


def _going(_phase: str, _share: float) -> None:
    """Let Streamlit stop here, where the page was closed or asks for something else."""
    stop_if_superseded()
    recall("checked")


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
