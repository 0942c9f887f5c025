"""What a model predicts at every position, as a list from which one is chosen to be explained."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.explore_session import change
from components.panels.prediction_place import prediction_place
from components.session_state import value_of
from viz.analysis import Predictions
from viz.inputs.units import label_alone
from viz.service import Analysis

# Positions that are listed at once, around the one that is chosen.
MOST_LISTED = 1_000


def predictions_everywhere(analysis: Analysis, ranked: Predictions) -> None:
    """List the most probable token at every position; a row that is chosen is pinned."""
    part = st.expander(
        "At every position", key="predictions open", type="compact", on_change="rerun"
    )
    if not part.open:
        return
    with part:
        stacks = analysis.trace.stacks
        units = stacks["decoder"].queries if "decoder" in stacks else analysis.trace.units
        place, _ = prediction_place(analysis)
        count = min(len(ranked.ids), len(units))
        start = min(max(0, place - MOST_LISTED // 2), max(0, count - MOST_LISTED))
        shown = range(start, min(count, start + MOST_LISTED))
        frame = pd.DataFrame(
            {
                "at": [f"{units.labels[at]} ({at})" for at in shown],
                "predicts": [
                    label_alone(analysis.tokenizer, int(ranked.ids[at, 0])) for at in shown
                ],
                "probability": ranked.probabilities[shown.start : shown.stop, 0].tolist(),
            }
        )
        st.dataframe(
            frame,
            key="predictions everywhere",
            hide_index=True,
            height=280,
            on_select=lambda: _pin(shown),
            selection_mode="single-row",
            column_config={
                "probability": st.column_config.ProgressColumn(
                    format="%.3f", min_value=0.0, max_value=1.0
                )
            },
        )
        if len(shown) < count:
            st.caption(f"Positions {shown.start:,} to {shown.stop - 1:,} of {count:,}.")


def _pin(shown: range) -> None:
    """Pin the token of the row that was chosen."""
    rows = value_of("predictions everywhere").selection.rows
    if rows:
        change(token=shown[rows[0]], predict=-1, against=-1)
