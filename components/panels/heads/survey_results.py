"""What a survey found: one head beside a map of all, and below one head in full, the table of all, or another survey beside it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from components.panels.heads.head_view import head_panel, summary_panel
from components.panels.heads.heads_compare import compare_panel
from components.panels.heads.heads_list import heads_panel
from components.panels.heads.heads_url import HeadsView, change, complain, settle, view, write_link
from components.panels.heads.score_map import map_panel
from components.panels.heads.survey_labels import card_words
from components.panels.heads.survey_tables import Shown, heads_table, scores_of, shown_survey
from components.panels.heads.table_files import files_panel
from components.panels.plain_text import literal
from components.run_panel import in_words
from components.session_state import remember, value_of
from viz.errors import LoupeError
from viz.survey.score_catalogue import SCORES

# What the map shows where nobody chose: which heads look at the token before is seen at a glance.
USUAL_SCORE = "previous"

BELOW = {"head": "The chosen head", "heads": "All heads", "compare": "Compare"}


@st.fragment
def results_panel(name: str) -> None:
    """Draw what was measured until the survey's last end; a click redraws only this."""
    settle()
    try:
        shown = shown_survey(name)
        if shown is None:
            return
        heads = heads_table(shown)
    except LoupeError as error:
        st.error(in_words(error))
        return
    st.caption(literal(card_words(shown.survey.card, shown.model_title, shown.texts)))
    if heads.empty:
        st.info("Nothing was measured of any head yet.")
        return
    seen = seen_inside(shown, heads)
    write_link(name)
    _stacks(shown, seen)
    summary, picture = st.columns([1, 1.2], gap="medium")
    with summary:
        summary_panel(shown, seen)
    with picture:
        map_panel(shown, heads, seen)
    remember("heads below", seen.below)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.segmented_control(
            "Below",
            list(BELOW),
            key="heads below",
            required=True,
            format_func=lambda one: BELOW[one],
            label_visibility="collapsed",
            on_change=lambda: change(shown.key, below=value_of("heads below")),
        )
        files_panel(shown)
    if seen.below == "heads":
        heads_panel(shown, heads, seen)
    elif seen.below == "compare":
        compare_panel(shown, heads, seen)
    else:
        head_panel(shown, seen)
    _not_measured(shown)


def seen_inside(shown: Shown, heads: pd.DataFrame) -> HeadsView:
    """Return what is seen, with the usual where nothing was chosen, and where the survey has no such thing."""
    asked = view(shown.key)
    stacks, seen = shown.stacks, asked
    if asked.stack not in stacks:
        if asked.stack:
            there = " and ".join(map(repr, stacks))
            complain(
                f"The link's stack {asked.stack!r} is not valid: this survey has {there}, so {stacks[0]!r} is shown."
            )
        seen = replace(seen, stack=stacks[0])
    scores = scores_of(shown, seen.stack)
    if asked.score not in scores:
        usual = USUAL_SCORE if USUAL_SCORE in scores else scores[0]
        if asked.score:
            complain(
                f"The link's score {asked.score!r} is not valid: it was not measured here, so {usual!r} is shown."
            )
        seen = replace(seen, score=usual)
    own = heads[heads["stack"] == seen.stack]
    if not ((own["layer"] == asked.layer) & (own["head"] == asked.head)).any():
        layer, head = _leader(own, seen.score)
        if asked.layer >= 0 or asked.head >= 0:
            complain(
                f"The link's layer {asked.layer} and head {asked.head} are not valid: this survey has no such head, so "
                f"layer {layer}, head {head} is shown."
            )
        seen = replace(seen, layer=layer, head=head)
    return seen


def _leader(heads: pd.DataFrame, score: str) -> tuple[int, int]:
    """Return the layer and number of the head that has most of a score."""
    first = heads.sort_values(score, ascending=False, kind="stable").iloc[0]
    return int(first["layer"]), int(first["head"])


def _stacks(shown: Shown, seen: HeadsView) -> None:
    """Let a stack be chosen, where there are several."""
    stacks = shown.stacks
    if len(stacks) == 1:
        return
    remember("heads stack", seen.stack)
    st.segmented_control(
        "Stack",
        stacks,
        key="heads stack",
        required=True,
        label_visibility="collapsed",
        help="encoder: the text read; decoder: what is written; cross: from what is written to the text read.",
        on_change=lambda: change(
            shown.key, stack=value_of("heads stack"), score="", layer=-1, head=-1
        ),
    )


def _not_measured(shown: Shown) -> None:
    """Say what this model cannot be measured by, and why."""
    reasons = shown.survey.card.not_measured
    if not reasons:
        return
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        title = SCORES[name].title if name in SCORES else name
        by_reason.setdefault(reason, []).append(title)
    with st.expander(f"Not measured: {len(reasons)} of {len(SCORES)} scores"):
        for reason, titles in by_reason.items():
            st.markdown(f"**{literal('; '.join(titles))}**  \n{literal(reason)}")
