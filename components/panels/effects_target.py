"""Which token is explained, and against which: chosen among the most probable, or typed."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import streamlit as st

from components.explore_session import view
from components.panels.plain_text import literal
from components.panels.prediction_place import explain
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing
from viz.analysis import Predictions
from viz.effects.target_names import token_id
from viz.inputs.units import label_alone
from viz.service import Analysis

# What a typed token is refused for stands beside the boxes, apart from why a run failed.
TYPED = RunPanel("effects target")


def choose_target(analysis: Analysis, ranked: Predictions, place: int, words: str) -> None:
    """Ask which token is explained, and against which."""
    seen = view()
    numbers: list[int] = ranked.ids[place].tolist()
    first, second = st.columns(2, gap="medium")
    first.selectbox(
        "Explain",
        [*dict.fromkeys([*numbers, *([seen.predict] if seen.predict >= 0 else [])])],
        key=key_showing("effects predict", seen.predict if seen.predict >= 0 else numbers[0]),
        format_func=partial(_name, analysis, ranked, place),
        accept_new_options=True,
        on_change=lambda: _pick(analysis, "predict"),
        help=f"{literal(words)}. Choose one, or type another token as the model reads it: most begin with a space.",
    )
    token = seen.predict if seen.predict >= 0 else numbers[0]
    others = [one for one in numbers if one != token]
    against = seen.against if seen.against >= 0 else others[0]
    second.selectbox(
        "Against",
        [*dict.fromkeys([*others, against])],
        key=key_showing("effects against", against),
        format_func=partial(_name, analysis, ranked, place),
        accept_new_options=True,
        on_change=lambda: _pick(analysis, "against"),
        help="What is explained is how far the first logit is above this one. By default the most probable other.",
    )
    TYPED.say()


def _name(analysis: Analysis, ranked: Predictions, place: int, token: Any) -> str:
    """Name a token, with its probability where that is known."""
    if not isinstance(token, int):
        return str(token)
    label = label_alone(analysis.tokenizer, token)
    numbers = ranked.ids[place].tolist()
    if token not in numbers:
        return label
    return f"{label}  {float(ranked.probabilities[place, numbers.index(token)]):.3f}"


def _pick(analysis: Analysis, name: Literal["predict", "against"]) -> None:
    """Take a chosen or typed token; one that is none is said, and the earlier stays."""
    given = chosen(f"effects {name}")
    tokenizer: Any = analysis.tokenizer
    assert analysis.predictions is not None
    # A model may have more numbers than its tokenizer has tokens.
    sizes = [len(one) for one in analysis.predictions.whole.values()]

    def read() -> int:
        return token_id(given, tokenizer, max(sizes, default=len(tokenizer)))

    number = TYPED.attempt(read)
    if number is None:
        return
    explain(name, number)
