"""This survey beside another: which heads do something else there."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.explore_session import is_dark
from components.panels.heads.heads_url import HeadsView, change
from components.panels.heads.score_map import pick_from_map, score_matrix
from components.panels.heads.survey_labels import score_title
from components.panels.heads.survey_tables import Shown, others, shown_survey
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.run_panel import in_words
from components.session_state import remember, value_of
from viz.errors import LoupeError
from viz.figures import score_map_figure
from viz.service.survey_texts import text_folders
from viz.survey.changed_heads import changed_heads
from viz.survey.score_catalogue import SCORES

# Lines of the table of what changed most.
LISTED = 400

CHANGES, TABLE = "heads changes", "heads changes table"

NONE, FOLDER = "", "a folder of this server"


def compare_panel(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> None:
    """Ask for another survey, and show what changed from this one to that."""
    second = _other(shown, seen)
    if second is None:
        return
    try:
        every = changed_heads(shown.survey, second.survey)
    except LoupeError as error:
        st.error(in_words(error))
        return
    own = every[every["stack"] == seen.stack]
    of_score = own[own["score"] == seen.score]
    picture, table = st.columns([1, 1.5], gap="medium")
    with picture:
        if of_score.empty:
            st.info(f"{SCORES[seen.score].title} was not measured in both surveys.")
        else:
            st.plotly_chart(
                score_map_figure(
                    score_matrix(of_score, "change"),
                    f"change of {score_title(seen.score)}",
                    selected=(seen.layer, seen.head),
                    is_signed=True,
                    dark=is_dark(),
                ),
                key=CHANGES,
                config=PLOTLY,
                on_select=lambda: pick_from_map(CHANGES, shown.key),
                selection_mode="points",
            )
    with table:
        _table(shown, own)
    st.caption(
        literal(
            f"First: {shown.title}. Second: {second.title}. Red has more in the second, blue less. The line of most change "
            "comes first, in units of how much its score differs between heads; noise is how far the halves of either "
            "survey differ."
        )
    )


def _other(shown: Shown, seen: HeadsView) -> Shown | None:
    """Ask what to compare with; None where nothing is chosen, or it cannot be shown, which is said."""
    beside = {one.key: one.title for one in others(shown)}
    titles = {NONE: "none", **beside}
    is_named = seen.compare in titles
    if text_folders():
        titles[FOLDER] = FOLDER
    choice = seen.compare
    if not is_named:
        # A survey that a link names, or a folder.
        choice = FOLDER if text_folders() and "/" in seen.compare else seen.compare
        titles.setdefault(choice, _title(choice))
    if len(titles) == 1:
        st.info(
            "There is nothing to compare with yet: survey another model, or the same one on other texts."
        )
        return None
    remember("heads compare", choice)
    st.selectbox(
        "Compare with",
        list(titles),
        key="heads compare",
        format_func=lambda one: titles[one],
        on_change=lambda: change(shown.key, compare=value_of("heads compare")),
    )
    key = seen.compare
    if choice == FOLDER:
        key = _folder(shown, "" if seen.compare == FOLDER else seen.compare)
    if not key:
        return None
    try:
        second = shown_survey(key)
    except LoupeError as error:
        st.error(in_words(error))
        return None
    if second is None:
        st.info("Nothing is measured in that survey yet.")
    return second


def _title(key: str) -> str:
    """Name a survey that is none of this session's."""
    try:
        found = shown_survey(key)
    except LoupeError:
        found = None
    return "the survey of the link" if found is None else found.title


def _folder(shown: Shown, path: str) -> str:
    remember("heads folder", path)
    st.text_input(
        "Folder of a survey",
        key="heads folder",
        help=f"Inside {', '.join(map(str, text_folders()))}; such as `loupe survey` writes.",
        on_change=lambda: change(shown.key, compare=value_of("heads folder") or FOLDER),
    )
    return path


def _table(shown: Shown, changes: pd.DataFrame) -> None:
    """List what changed most, the most first."""
    order = ["layer", "head", "score", "change", "first", "second", "noise"]
    frame = changes[order].head(LISTED).reset_index(drop=True)
    frame["score"] = [SCORES[one].title if one in SCORES else one for one in frame["score"]]
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        key=TABLE,
        hide_index=True,
        height=380,
        on_select=lambda: _pick(shown.key, frame),
        selection_mode="single-row",
        column_config={
            "layer": number(width=48),
            "head": number(width=48),
            "score": st.column_config.TextColumn(width=140),
            **{name: number(format="%.3g", width=64) for name in ("first", "second", "noise")},
            "change": number(format="%+.3g", width=64),
        },
    )
    st.download_button(
        "Download CSV",
        lambda: changes.to_csv(index=False).encode(),
        "changed-heads.csv",
        "text/csv",
        key="heads changes file",
        on_click="ignore",
    )


def _pick(survey: str, frame: pd.DataFrame) -> None:
    rows = value_of(TABLE).selection.rows
    if rows:
        line = frame.iloc[rows[0]]
        change(survey, layer=int(line["layer"]), head=int(line["head"]))
