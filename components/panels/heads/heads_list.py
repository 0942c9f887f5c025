"""All heads as a table: those that are wanted, each with what it does and all its scores."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.panels.heads.heads_url import NOTHING, HeadsView, change
from components.panels.heads.survey_labels import score_meaning, score_title
from components.panels.heads.survey_tables import Shown, scores_of
from components.session_state import remember, value_of
from viz.survey.score_catalogue import SCORES

TABLE = "heads table"


def heads_panel(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> None:
    """Ask which heads are wanted, and list them; a click on a line shows its head."""
    own = heads[heads["stack"] == seen.stack]
    does = _filters(shown, own, seen)
    wanted = own
    if does:
        wanted = wanted[wanted["does"].replace("", NOTHING).isin(does)]
    if seen.least:
        wanted = wanted[wanted[seen.score] >= float(seen.least)]
    wanted = wanted.sort_values(seen.score, ascending=False, kind="stable")
    if wanted.empty:
        st.info(f"None of the {len(own):,} heads fits.")
        return
    scores = [seen.score, *(name for name in scores_of(shown, seen.stack) if name != seen.score)]
    along = [
        name
        for name in ("relation", "relation_weight", "relation_baseline")
        if name in wanted.columns
    ]
    frame = wanted[["layer", "head", scores[0], "sentence", *along, *scores[1:]]].reset_index(
        drop=True
    )
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
            "relation": st.column_config.TextColumn(
                "follows most",
                help="The dependency relation along which most weight goes, over what chance and distance give.",
            ),
            "relation_weight": st.column_config.NumberColumn(
                "weight along it", format="%.3f", help="Mean weight from one word to the other."
            ),
            "relation_baseline": st.column_config.NumberColumn(
                "by chance or distance",
                format="%.3f",
                help="The larger of what a head would put there that looks at all alike, and of what this head puts between any "
                "tokens that are as far apart.",
            ),
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
    return SCORES[score].title if score in SCORES else "nothing that is measured"


def _filters(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> list[str]:
    """Ask what heads should do, and how much of the chosen score they should have; return what they should do."""
    kinds = sorted(set(heads["does"]) - {""}, key=does_words)
    kinds += [NOTHING] * bool((heads["does"] == "").any())
    left, right = st.columns([2, 1])
    does = [one for one in seen.does.split(",") if one in kinds]
    remember("heads does", does)
    left.multiselect(
        "What it does",
        kinds,
        key="heads does",
        format_func=does_words,
        placeholder="anything",
        on_change=lambda: change(shown.key, does=",".join(value_of("heads does"))),
    )
    remember("heads least", float(seen.least) if seen.least else None)
    right.number_input(
        f"{SCORES[seen.score].title} of at least",
        value=None,
        key="heads least",
        step=0.05,
        placeholder="any",
        help=f"{score_title(seen.score)}, the score of the map.",
        on_change=lambda: change(shown.key, least=_least()),
    )
    return does


def _least() -> str:
    asked = value_of("heads least")
    return "" if asked is None else repr(float(asked))


def _pick(survey: str, frame: pd.DataFrame) -> None:
    rows = value_of(TABLE).selection.rows
    if rows:
        line = frame.iloc[rows[0]]
        change(survey, layer=int(line["layer"]), head=int(line["head"]))
