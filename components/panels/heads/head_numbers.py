"""All scores of a head as a table that fits beside something else, and on a telephone."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.panels.heads.survey_labels import number_words, unit_of
from components.panels.heads.survey_tables import Head, Shown, head_scores
from viz.survey.score_catalogue import SCORES

# Halves and counts are left out where there is no room for them.
STYLE = """
.st-key-heads_numbers table { font-size: 0.8125rem; font-variant-numeric: tabular-nums; }
.st-key-heads_numbers :is(th, td) { padding: 0.22rem 0.25rem !important; line-height: 1.3; }
.st-key-heads_numbers :is(th, td):not(:first-child), .st-key-heads_numbers :is(th, td):not(:first-child) * {
    text-align: right !important;
    white-space: nowrap;
}
.st-key-heads_numbers :is(th, td) * { font-size: inherit; line-height: inherit; }
@media (max-width: 640px) {
    .st-key-heads_numbers :is(th, td):nth-child(n + 5) { display: none; }
}"""

HELP = (
    "Chance: what a head would have that looks at all tokens alike that it may look at. Place: among all heads of this "
    "stack, the largest value first. Halves: of the windows, every other one. Over: queries, sequences or tokens that "
    "count. Shares of weight where no unit stands. *Download* has them all, of every head."
)


def numbers_panel(shown: Shown, head: Head) -> None:
    """List all scores with chance, the head's place among all, and either half."""
    st.html(f"<style>{STYLE}</style>")
    st.markdown("**All scores**", help=HELP)
    with st.container(key="heads_numbers"):
        st.table(numbers_table(head_scores(shown, head)), border="horizontal", hide_index=True)


def numbers_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Write the scores of a head as they are read."""
    return pd.DataFrame(
        {
            "score": [_named(name) for name in scores["score"]],
            "value": scores["value"].map(number_words),
            "chance": scores["chance"].map(number_words),
            "place": scores["rank"],
            "1st half": scores["first_half"].map(number_words),
            "2nd half": scores["second_half"].map(number_words),
            "over": scores["counted"].map("{:,}".format),
        }
    )


def _named(name: str) -> str:
    """Say what a score is called, with its unit where that is no share of weight."""
    score = SCORES[name]
    return score.title if score.is_share else f"{score.title} ({unit_of(score)})"
