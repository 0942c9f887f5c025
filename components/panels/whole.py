"""The whole model: all heads small, one number a head, and what was predicted."""

from __future__ import annotations

import streamlit as st

from components.canvas import head_grid
from components.session import change, is_dark, view
from viz.errors import LoupeError
from viz.figures import palette_rgb, statistic_figure
from viz.service import Analysis

STATISTICS = {
    "entropy (nats)": "entropy_nats",
    "mean distance (tokens)": "mean_distance",
    "weight on the first token": "first",
    "weight on the current token": "current",
    "weight on the previous token": "previous",
}


def grid_panel(analysis: Analysis) -> None:
    """Draw every head; a click selects one."""
    seen = view()
    st.subheader("All heads", anchor=False)
    head_grid(
        analysis.thumbnails,
        analysis.statistics,
        selected=(seen.layer, seen.head),
        palette=palette_rgb(seen.palette, is_dark()),
        key="grid",
        on_pick=_pick,
    )
    st.caption("Row is a layer, column is a head; colour is the square root of the weight.")


def overview_panel(analysis: Analysis) -> None:
    """Draw one statistic of every head, as a heatmap and as a table."""
    seen = view()
    name = st.selectbox("Layer x head", list(STATISTICS), key="statistic")
    values = getattr(analysis.statistics, STATISTICS[name])
    picture, table = st.tabs(["Heatmap", "Table"])
    picture.plotly_chart(
        statistic_figure(
            values, name, selected=(seen.layer, seen.head), dark=is_dark(), palette=seen.palette
        ),
        key="overview",
        config={"displaylogo": False},
    )
    frame = analysis.statistics.as_frame()
    table.dataframe(
        frame,
        hide_index=True,
        column_config={
            column: st.column_config.NumberColumn(format="%.3g") for column in frame.columns[2:]
        },
    )


def prediction_panel(analysis: Analysis) -> None:
    """List what the model predicts at the pinned token, or at the end."""
    st.subheader("Prediction", anchor=False)
    if analysis.predictions is None:
        st.caption("This model has no language-model head, so it predicts no tokens.")
        return
    position, words = _position(analysis)
    try:
        frame = analysis.predictions.at(position, analysis.tokenizer)
    except LoupeError as error:
        st.caption(str(error))
        return
    st.caption(words)
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            "probability": st.column_config.ProgressColumn(
                format="%.3f", min_value=0.0, max_value=1.0
            )
        },
    )


def _position(analysis: Analysis) -> tuple[int, str]:
    """Choose where to predict: the pinned token, a mask, or the end."""
    seen, units = view(), analysis.trace.units
    pinned = seen.token if 0 <= seen.token < len(units) else None
    if analysis.trace.model.kind == "causal":
        at = len(units) - 1 if pinned is None else pinned
        return at, f"Most probable next tokens after {units.labels[at]} ({at})"
    mask = getattr(analysis.tokenizer, "mask_token_id", None)
    masked = [index for index, number in enumerate(units.ids) if number == mask]
    at = pinned if pinned is not None else (masked[0] if masked else 0)
    return at, f"What the model would put at {units.labels[at]} ({at})"


def _pick() -> None:
    picked = st.session_state.grid.get("picked")
    if picked:
        change(layer=int(picked[0]), head=int(picked[1]))
