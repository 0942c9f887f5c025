"""Heads that do most alike, in this survey and in the session's others."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.panels.heads.heads_url import HeadsView, change, turn_to
from components.panels.heads.survey_tables import Shown, others
from components.session_state import value_of
from viz.survey.similar_heads import similar_heads

LIKE = "heads like"


def like_panel(shown: Shown, seen: HeadsView) -> None:
    """List them; a click on one shows it."""
    beside = others(shown)
    found = similar_heads(
        shown.survey,
        seen.layer,
        seen.head,
        stack=seen.stack,
        others=[one.survey for one in beside],
    )
    if found.empty:
        return
    surveys = [shown, *beside]
    frame = pd.DataFrame(
        {
            "layer": found["layer"],
            "head": found["head"],
            "apart": found["apart"],
            "stack": found["stack"],
            "survey": ["this one" if at == 0 else surveys[at].title for at in found["survey"]],
        }
    )
    if set(found["stack"]) == {seen.stack}:
        frame = frame.drop(columns="stack")
    if not beside:
        frame = frame.drop(columns="survey")
    st.markdown(
        "**Heads like it**",
        help="The nearest by their shares of weight: apart is the root mean square of the differences over all scores "
        "that both have.",
    )
    st.dataframe(
        frame,
        key=LIKE,
        hide_index=True,
        column_config={"apart": st.column_config.NumberColumn(format="%.4f")},
        on_select=lambda: _pick(found, surveys),
        selection_mode="single-row",
    )


def _pick(found: pd.DataFrame, surveys: list[Shown]) -> None:
    """Show the head of the chosen line, in its own survey."""
    rows = value_of(LIKE).selection.rows
    if not rows:
        return
    line = found.iloc[rows[0]]
    key = surveys[int(line["survey"])].key
    change(key, stack=str(line["stack"]), layer=int(line["layer"]), head=int(line["head"]))
    if int(line["survey"]):
        turn_to(key)
