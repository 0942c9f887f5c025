"""All heads as a table: those that are wanted, each with what it does and all its scores."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.panels.heads.heads_url import HeadsView, change
from components.panels.heads.survey_labels import score_meaning, score_title
from components.panels.heads.survey_tables import Shown, scores_of
from components.session_state import value_of
from viz.survey.score_catalogue import SCORES

TABLE = "heads table"

# A head whose sentence is about no score.
NOTHING = "nothing that is measured"


def heads_panel(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> None:
    """Ask which heads are wanted, and list them; a click on a line shows its head."""
    own = heads[heads["stack"] == seen.stack]
    does, least = _filters(own, seen)
    wanted = own
    if does:
        wanted = wanted[wanted["does"].map(does_words).isin(does)]
    if least is not None:
        wanted = wanted[wanted[seen.score] >= least]
    wanted = wanted.sort_values(seen.score, ascending=False, kind="stable")
    if wanted.empty:
        st.info(f"None of the {len(own):,} heads fits.")
        return
    scores = [seen.score, *(name for name in scores_of(shown, seen.stack) if name != seen.score)]
    frame = wanted[["layer", "head", "sentence", *scores]].reset_index(drop=True)
    st.dataframe(
        frame,
        key=TABLE,
        hide_index=True,
        height=420,
        on_select=lambda: _pick(shown.key, frame),
        selection_mode="single-row",
        column_config={
            "layer": st.column_config.NumberColumn(width=56, pinned=True),
            "head": st.column_config.NumberColumn(width=56, pinned=True),
            "sentence": st.column_config.TextColumn("what it does", width="large"),
            **{
                name: st.column_config.NumberColumn(
                    SCORES[name].title,
                    format="%.3f" if SCORES[name].is_share else "%.3g",
                    help=f"{score_meaning(name)} {score_title(name)}.",
                )
                for name in scores
            },
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{len(wanted):,} of {len(own):,} heads. A click on a line shows its head; one on the top of a column sorts.",
            width="stretch",
        )
        st.download_button(
            "Download CSV",
            lambda: frame.to_csv(index=False).encode(),
            "heads.csv",
            "text/csv",
            key="heads list file",
            on_click="ignore",
        )


def does_words(score: str) -> str:
    """Say of which kind a head is whose sentence is about a score."""
    return SCORES[score].title if score in SCORES else NOTHING


def _filters(heads: pd.DataFrame, seen: HeadsView) -> tuple[list[str], float | None]:
    """Ask what heads should do, and how much of the chosen score they should have."""
    kinds = sorted(set(heads["does"].map(does_words)), key=lambda one: (one == NOTHING, one))
    left, right = st.columns([2, 1])
    does = left.multiselect(
        "What it does", kinds, key="heads does", placeholder="anything", persist_state="session"
    )
    least = right.number_input(
        f"{SCORES[seen.score].title} of at least",
        value=None,
        key=f"heads least {seen.score}",
        step=0.05,
        placeholder="any",
        help=f"{score_title(seen.score)}, the score of the map.",
        persist_state="session",
    )
    return does, least


def _pick(survey: str, frame: pd.DataFrame) -> None:
    rows = value_of(TABLE).selection.rows
    if rows:
        line = frame.iloc[rows[0]]
        change(survey, layer=int(line["layer"]), head=int(line["head"]))
