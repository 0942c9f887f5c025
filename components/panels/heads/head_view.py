"""One head: what it does in a sentence, its scores beside chance, examples, and heads like it."""

from __future__ import annotations

import streamlit as st

from components.explore_session import is_dark
from components.panels.heads.head_examples import examples_panel
from components.panels.heads.head_grammar import grammar_panel
from components.panels.heads.head_numbers import numbers_panel
from components.panels.heads.heads_like import like_panel
from components.panels.heads.heads_url import HeadsView
from components.panels.heads.survey_labels import head_title
from components.panels.heads.survey_tables import (
    Head,
    Shown,
    head_classes,
    head_distributions,
    head_scores,
    heads_table,
)
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from viz.figures.class_weights import class_weights_figure
from viz.figures.score_distributions import distributions_figure
from viz.figures.score_dots import score_dots_figure
from viz.survey.score_catalogue import SCORES


def summary_panel(shown: Shown, seen: HeadsView) -> None:
    """Name the head, say what it does, and draw its shares of weight beside chance."""
    head = head_of(seen)
    st.subheader(head_title(seen.layer, seen.head), anchor=False)
    st.markdown(literal(f"It {sentence_of(shown, head)}."))
    scores = head_scores(shown, head)
    shares = scores[[SCORES[name].is_share for name in scores["score"]]]
    if not shares.empty:
        st.plotly_chart(score_dots_figure(shares, dark=is_dark()), key="heads dots", config=PLOTLY)
        st.caption("● this head, on a line between both halves of the texts · ◇ by chance")


def head_panel(shown: Shown, seen: HeadsView) -> None:
    """Show the numbers of the head, and beside or below them examples of it and heads like it."""
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        numbers_panel(shown, head_of(seen))
        _distributions(shown, head_of(seen))
        grammar_panel(shown, head_of(seen))
    with right:
        examples_panel(shown, seen)
        _classes(shown, head_of(seen))
        like_panel(shown, seen)


def head_of(seen: HeadsView) -> Head:
    """Return the chosen head."""
    return seen.stack, seen.layer, seen.head


def sentence_of(shown: Shown, head: Head) -> str:
    """Say what a head does."""
    heads = heads_table(shown)
    stack, layer, number = head
    own = (heads["stack"] == stack) & (heads["layer"] == layer) & (heads["head"] == number)
    return str(heads.loc[own, "sentence"].iloc[0])


def _distributions(shown: Shown, head: Head) -> None:
    """Draw how its queries are spread over the scores."""
    parts = {
        SCORES[name].title: (frame, "" if SCORES[name].is_share else SCORES[name].unit)
        for name, frame in head_distributions(shown, head).items()
    }
    if not parts:
        return
    st.markdown(
        "**Spread over queries**",
        help="How many of the queries have how much of a score. Scores that almost no query has anything of are left "
        "out.",
    )
    st.plotly_chart(
        distributions_figure(parts, dark=is_dark()), key="heads distributions", config=PLOTLY
    )


def _classes(shown: Shown, head: Head) -> None:
    """Draw what it looks at from each class of tokens."""
    classes = head_classes(shown, head)
    if classes.empty:
        return
    st.markdown(
        "**From and to classes of tokens**",
        help="How much more of a query's weight goes to tokens of a class than if the head looked at all alike.",
    )
    st.plotly_chart(
        class_weights_figure(classes, dark=is_dark()), key="heads classes", config=PLOTLY
    )
