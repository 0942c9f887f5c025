"""The rows that differ most, each of which a click marks in the patterns."""

from __future__ import annotations

import streamlit as st

from components.panels.compare.compare_url import change, view
from components.panels.compare.zoomed_part import part_of, whole
from components.panels.plain_text import literal
from components.session_state import value_of
from viz.compare import Comparison

KEY = "compare rows"
DOWNLOAD = "comparison.csv"

# Titles are short, and the row's number and name stay in sight, because a telephone shows four columns.
COLUMNS = {
    "row": st.column_config.NumberColumn("row", pinned=True),
    "first": st.column_config.TextColumn("first", pinned=True),
    "jensen_shannon": st.column_config.NumberColumn(
        "JS (nats)",
        format="%.4f",
        help="Jensen-Shannon divergence of the two rows: 0 where they are alike, 0.693 where they share nothing.",
    ),
    "total_variation": st.column_config.NumberColumn(
        "moved",
        format="%.4f",
        help="The share of the row's weight that lies on another key on the second side.",
    ),
    "cosine": st.column_config.NumberColumn(
        "cosine", format="%.4f", help="Of the angle between the two rows; 1 where they are alike."
    ),
    "rank_correlation": st.column_config.NumberColumn(
        "rank",
        format="%.3f",
        help="Whether both rows order the keys alike: 1 yes, -1 the other way round.",
    ),
    "centre_shift": st.column_config.NumberColumn(
        "shift",
        format="%+.2f",
        help="By how many columns the middle of the row's weight moves to the right.",
    ),
    "first_alone": st.column_config.NumberColumn(
        "first, no partner",
        format="%.3f",
        help="The first side's weight on keys without a partner.",
    ),
    "second_alone": st.column_config.NumberColumn(
        "second, no partner",
        format="%.3f",
        help="The second side's weight on keys without a partner.",
    ),
}


def rows_panel(comparison: Comparison) -> None:
    """List the rows, those that differ most first."""
    frame = comparison.numbers.sort_values("jensen_shannon", ascending=False).reset_index()
    if frame.empty:
        st.info("No row has a partner, so that none can be measured.")
        return

    def picked() -> None:
        rows = value_of(KEY).selection.rows
        row = int(frame.iloc[rows[0]]["row"]) if rows else -1
        span = view().span
        if row >= 0 and span:
            span = part_of(comparison, span).around(row, whole(comparison)).written()
        change(row=row, span=span)

    lone = [name for name in ("first_alone", "second_alone") if (frame[name] == 0).all()]
    if comparison.columns.kind == "patch":
        # Along the numbers of patches, which lie in a plane, a shift means nothing.
        lone.append("centre_shift")
    st.dataframe(
        frame.drop(columns=lone),
        key=KEY,
        hide_index=True,
        height=320,
        column_config=COLUMNS,
        on_select=picked,
        selection_mode="single-row",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download CSV",
            frame.to_csv(index=False).encode("utf-8", "replace"),
            DOWNLOAD,
            "text/csv",
            on_click="ignore",
        )
        most = frame.iloc[0]
        st.caption(
            literal(
                f"Most: {most['first']} ({int(most['row'])}), {most['jensen_shannon']:.3f} nats. "
                "Choose a row to mark it above; row numbers count common units."
            )
        )
