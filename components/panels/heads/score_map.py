"""One score of every head, layers down and heads across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from components.explore_session import is_dark
from components.panels.heads.heads_url import HeadsView, change
from components.panels.heads.survey_labels import score_meaning, score_title
from components.panels.heads.survey_tables import Shown, scores_of
from components.panels.plotly_settings import PLOTLY
from components.session_state import remember, value_of
from viz.figures import effects_figure, statistic_figure
from viz.figures.text_layout import name_below

MAP = "heads map"


def map_panel(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> None:
    """Let a score be chosen, and draw it; a click chooses a head."""
    remember("heads score", seen.score)
    st.selectbox(
        "Score",
        scores_of(shown, seen.stack),
        key="heads score",
        format_func=score_title,
        help=score_meaning(seen.score),
        on_change=lambda: change(shown.key, score=value_of("heads score")),
    )
    values = score_matrix(heads[heads["stack"] == seen.stack], seen.score)
    selected = [(seen.layer, seen.head)]
    st.plotly_chart(
        _figure(values, score_title(seen.score), selected),
        key=MAP,
        config=PLOTLY,
        on_select=lambda: pick_from_map(MAP, shown.key),
        selection_mode="points",
    )
    st.caption("A click on a head shows it beside the map and below.")


def _figure(
    values: NDArray[np.float32], name: str, selected: Sequence[tuple[int, int]]
) -> go.Figure:
    """Draw numbers from 0 up, or on both sides of 0 where some lie below it."""
    if np.nanmin(values, initial=0) < 0:
        return effects_figure(values, name, selected=selected, dark=is_dark())
    figure = statistic_figure(values, name, selected=selected, dark=is_dark())
    # Plotly takes a least value only beside a largest.
    largest = float(np.nanmax(values, initial=0)) or 1.0
    figure.data[0].update(zmax=largest, colorbar_tickformat=".2~g")
    return name_below(figure, 26)


def score_matrix(heads: pd.DataFrame, column: str) -> NDArray[np.float32]:
    """Lay a number of every head out, [layer, head]; NaN where there is none."""
    shape = int(heads["layer"].max()) + 1, int(heads["head"].max()) + 1
    values = np.full(shape, np.nan, dtype=np.float32)
    values[heads["layer"].to_numpy(int), heads["head"].to_numpy(int)] = heads[column]
    return values


def pick_from_map(key: str, survey: str) -> None:
    """Choose the head that was clicked."""
    points = value_of(key).selection.points
    if points:
        change(survey, layer=int(points[0]["y"]), head=int(points[0]["x"]))
