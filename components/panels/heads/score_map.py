"""One score of every head, layers down and heads across."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components.explore_session import is_dark
from components.panels.heads.heads_url import HeadsView, change
from components.panels.heads.survey_labels import number_words, score_meaning, score_title
from components.panels.heads.survey_tables import Shown, chances, scores_of
from components.panels.plotly_settings import PLOTLY
from components.session_state import remember, value_of
from viz.figures import score_map_figure

MAP = "heads map"

# On a telephone the score has a line of its own, because its name is long.
STYLE = """
@media (max-width: 640px) { .st-key-heads_choice > :first-child { flex: 1 1 100%; width: 100%; } }"""

# How wide the number of a layer or a head is, in pixels.
NUMBER = 104


def map_panel(shown: Shown, heads: pd.DataFrame, seen: HeadsView) -> None:
    """Let a score and a head be chosen, and draw the score of all heads; a click chooses one, too."""
    own = heads[heads["stack"] == seen.stack]
    st.html(f"<style>{STYLE}</style>")
    with st.container(key="heads_choice", horizontal=True, vertical_alignment="bottom"):
        remember("heads score", seen.score)
        st.selectbox(
            "Score",
            scores_of(shown, seen.stack),
            key="heads score",
            format_func=score_title,
            help=score_meaning(seen.score),
            on_change=lambda: change(shown.key, score=value_of("heads score"), least=""),
        )
        last_heads = own.groupby("layer")["head"].max()
        _number("Layer", "heads layer", seen.layer, int(last_heads.index.max()), shown, last_heads)
        _number("Head", "heads head", seen.head, int(last_heads[seen.layer]), shown, last_heads)
    values = score_matrix(own, seen.score)
    name = score_title(seen.score)
    st.plotly_chart(
        score_map_figure(
            values,
            name,
            selected=(seen.layer, seen.head),
            told=_told(shown, own, seen.score, values.shape),
            dark=is_dark(),
        ),
        key=MAP,
        config=PLOTLY,
        on_select=lambda: pick_from_map(MAP, shown.key),
        selection_mode="points",
        alt=f"{name} of every head, layers down and heads across. Layer {seen.layer} head {seen.head} has "
        f"{number_words(float(values[seen.layer, seen.head]))}.",
    )
    st.caption("Click a head to show it. Its numbers and what it does stand where you point.")


def _number(label: str, key: str, value: int, most: int, shown: Shown, last: pd.Series) -> None:
    """Let a layer or a head be chosen by its number, as by the arrow keys."""
    before = value if label == "Layer" else None
    remember(key, value)
    st.number_input(
        label,
        *(0, most),
        key=key,
        step=1,
        width=NUMBER,
        on_change=lambda: _turn(shown.key, last, before),
    )


def _turn(survey: str, last_heads: pd.Series, before: int | None) -> None:
    """Show the head of these numbers, or the nearest that there is.

    Args:
        survey: of them.
        last_heads: the last head of every layer that has any.
        before: the layer that was shown, where another was asked for; None where the head alone was.
    """
    layer, head = int(value_of("heads layer")), int(value_of("heads head"))
    if layer not in last_heads.index and before is not None:
        # Layers without attention are stepped over.
        further = [one for one in last_heads.index if (one > before) == (layer > before)]
        layer = min(further, key=lambda one: abs(one - layer), default=before)
    change(survey, layer=int(layer), head=min(head, int(last_heads[layer])))


def _told(shown: Shown, heads: pd.DataFrame, score: str, shape: tuple[int, ...]) -> list[list[str]]:
    """Say of every head what chance would give, and what it does."""
    told = [[""] * shape[1] for _ in range(shape[0])]
    by_chance = chances(shown, score)
    for key in heads[["stack", "layer", "head", "sentence"]].itertuples(index=False, name=None):
        stack, layer, head, sentence = key
        chance = by_chance.get((stack, layer, head), np.nan)
        said = "" if np.isnan(chance) else f" · {number_words(chance)} by chance"
        told[layer][head] = f"{said}<br>{sentence.split('; ')[0]}"
    return told


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
