"""The whole model: its stacks, one number a head, and what was predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from components.explore_session import change, is_dark, view
from components.panels.first_view import turn_to
from components.panels.grid_panel import arranged
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import explain, prediction_place
from components.panels.predictions_everywhere import predictions_everywhere
from components.panels.statistic_labels import Words, hardly_heard, left_out, plural, statistics_of
from components.session_state import remember, value_of
from viz.analysis import Predictions
from viz.errors import LoupeError
from viz.figures import statistic_figure
from viz.patterns import STATISTICS
from viz.service import Analysis

# Parts that are named; the others are counted.
MOST_NAMED = 3

STACKS = {
    "encoder": "the source attends to itself",
    "decoder": "the target attends to itself",
    "cross": "the target attends to the source",
    "vision": "patches attend to each other",
    "audio": "frames attend to each other",
    "text": "tokens attend to each other",
}


def stack_panel(analysis: Analysis) -> None:
    """Choose a stack where the model has several."""
    stacks = analysis.trace.stacks
    if len(stacks) == 1:
        return
    remember("stack", view().stack)
    st.segmented_control(
        "Stack",
        list(stacks),
        key="stack",
        required=True,
        label_visibility="collapsed",
        help="; ".join(f"{name}: {words}" for name, words in STACKS.items() if name in stacks),
        on_change=lambda: turn_to(analysis, value_of("stack")),
    )


def written_panel(analysis: Analysis) -> None:
    """Say what the model wrote of its own, and which of its parts are not shown."""
    if analysis.written is not None:
        words = analysis.written.strip()
        if words:
            st.markdown(f"It writes: **{literal(words)}**")
        if said := hardly_heard(analysis):
            st.info(said)
    if analysis.trace.unshown:
        parts = ", ".join(literal(name) for name in analysis.trace.unshown[:MOST_NAMED])
        more = len(analysis.trace.unshown) - MOST_NAMED
        st.caption(
            f"Not shown, because they mix {plural(analysis.trace.units.kind)} without softmax "
            f"attention: {parts}" + (f" and {more} more." if more > 0 else ".")
        )


def overview_panel(analysis: Analysis) -> None:
    """Draw one statistic of every head, as a heatmap and as a table."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    offered = statistics_of(stack)
    chosen = seen.statistic if seen.statistic in offered else next(iter(offered))
    remember("statistic", chosen)
    st.selectbox(
        "Layer x head",
        list(offered),
        key="statistic",
        format_func=lambda choice: offered[choice].name,
        on_change=lambda: change(statistic=value_of("statistic")),
        help=" ".join(
            [f"{offered[chosen].short}: {offered[chosen].meaning}.", left_out(stack)]
        ).rstrip(),
    )
    name = offered[chosen].name
    values = analysis.statistics[seen.stack].of(offered[chosen].field)
    picture, table = st.tabs(["Heatmap", "Table"])
    picture.plotly_chart(
        statistic_figure(
            values,
            name,
            selected=seen.chosen,
            dark=is_dark(),
            palette=offered[chosen].palette or seen.palette,
        ),
        key="overview",
        config=PLOTLY,
        on_select=_pick_from_map,
        selection_mode="points",
    )
    frame = _table(analysis, offered)
    table.dataframe(
        frame,
        key="statistics table",
        on_select=lambda: _pick_from_table(frame),
        selection_mode="single-row",
        hide_index=True,
        column_config={
            column: st.column_config.NumberColumn(format="%.3g") for column in frame.columns[2:]
        },
    )


def _table(analysis: Analysis, offered: dict[str, Words]) -> pd.DataFrame:
    """Lay the statistics that mean something out, one row for each head of the grid, in its order."""
    thumbnails = analysis.thumbnails[view().stack]
    order = np.array(arranged(analysis), dtype=int)
    places = {
        "layer": np.array(thumbnails.layers)[order],
        "head": np.array(thumbnails.heads)[order],
    }
    numbers = analysis.statistics[view().stack].as_frame()
    frame = pd.DataFrame(places).merge(numbers, how="left")
    columns = {one.field: one.column for one in STATISTICS.values()}
    named = {columns[words.field]: words.beside for words in offered.values()}
    return frame[["layer", "head", *named]].rename(columns=named)


def prediction_panel(analysis: Analysis, ranked: Predictions) -> None:
    """List what the model predicts at the pinned token, or at the end."""
    st.subheader("Prediction", anchor=False)
    position, words = prediction_place(analysis)
    try:
        frame = ranked.at(position, analysis.tokenizer)
    except LoupeError as error:
        st.caption(str(error))
        return
    st.caption(
        literal(words),
        help="The number is the token's position; · is a space, ⏎ a line break. A chosen row is what *What the "
        "prediction rests on* explains.",
    )
    numbers: list[int] = ranked.ids[position].tolist()
    st.dataframe(
        frame,
        key="predictions",
        hide_index=True,
        on_select=lambda: _explain(numbers),
        selection_mode="single-row",
        column_config={
            "probability": st.column_config.ProgressColumn(
                format="%.3f", min_value=0.0, max_value=1.0
            )
        },
    )
    predictions_everywhere(analysis, ranked)


def _explain(numbers: list[int]) -> None:
    """Explain the chosen token; the most probable one again where it is let go."""
    rows = value_of("predictions").selection.rows
    first = not rows or rows[0] == 0
    explain("predict", -1 if first else numbers[rows[0]])


def _pick_from_map() -> None:
    points = value_of("overview").selection.points
    if points:
        change(layer=int(points[0]["y"]), head=int(points[0]["x"]), also="")


def _pick_from_table(frame: pd.DataFrame) -> None:
    rows = value_of("statistics table").selection.rows
    if rows:
        row = frame.iloc[rows[0]]
        change(layer=int(row["layer"]), head=int(row["head"]), also="")
