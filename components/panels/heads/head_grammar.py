"""What one head does along the grammar of the texts: relations that it follows, and parts of speech."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.explore_session import is_dark
from components.panels.heads.survey_tables import Head, Shown, head_classes, head_relations
from components.panels.plotly_settings import PLOTLY
from viz.figures.class_weights import class_weights_figure
from viz.survey.grammar.grammar_tables import PART


def grammar_panel(shown: Shown, head: Head) -> None:
    """Show both, where a pipeline has read along."""
    _relations(head_relations(shown, head))
    _parts(head_classes(shown, head, PART))


def _relations(relations: pd.DataFrame) -> None:
    """List relations in either direction, those first that the head follows most clearly."""
    if relations.empty:
        return
    st.markdown(
        "**Along dependency relations**",
        help="The mean weight from a word to the one that it depends on, or from there back: summed over the tokens of the "
        "word looked at, averaged over those of the other.",
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        relations[
            ["title", "weight", "chance", "by_distance", "first_half", "second_half", "counted"]
        ],
        key="heads relations",
        hide_index=True,
        height=248,
        column_config={
            "title": st.column_config.TextColumn("relation", width=205, pinned=True),
            "weight": number(width=68, format="%.3g"),
            "chance": number(
                "by chance",
                format="%.3g",
                help="What a head would have that looks at all tokens alike that it may look at.",
            ),
            "by_distance": number(
                "by distance",
                format="%.3g",
                help="What this head puts between any tokens that are as far apart. A head that looks at the token before "
                "follows every relation between neighbours.",
            ),
            "first_half": number(
                "first half", format="%.3g", help="Of the windows, every other one."
            ),
            "second_half": number("second half", format="%.3g"),
            "counted": number("over", help="Pairs of words.", format="localized"),
        },
    )


def _parts(classes: pd.DataFrame) -> None:
    """Draw what the head looks at from each part of speech."""
    if classes.empty:
        return
    st.markdown(
        "**From and to parts of speech**",
        help="How much more of a query's weight goes to tokens of a part of speech than if the head looked at all alike. "
        "none: special tokens, and what belongs to no word.",
    )
    st.plotly_chart(class_weights_figure(classes, dark=is_dark()), key="heads parts", config=PLOTLY)
