"""What is explained: a token, a class, or how near two texts are; chosen, or typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import streamlit as st

from components.explore_session import change, view
from components.panels.plain_text import literal
from components.panels.prediction_place import (
    MEASURES,
    choices,
    explain,
    is_compared,
    prediction_place,
)
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing
from viz.analysis import Predictions
from viz.effects.target_names import class_id, token_id
from viz.inputs.units import label_alone
from viz.service import Analysis

# What a typed token is refused for stands beside the boxes, apart from why a run failed.
TYPED = RunPanel("effects target")

# Stands for the class that the model puts first, or for the next.
FIRST = -1

# Classes that are offered by name; any other may be typed.
MOST_OFFERED = 1_000


def choose_target(analysis: Analysis) -> None:
    """Ask what is explained, and against what."""
    if is_compared(analysis):
        _choose_text()
        return
    ranked = analysis.predictions
    if ranked is None:
        numbers = [FIRST, *range(min(len(analysis.classes), MOST_OFFERED))]
        _choose(
            numbers,
            lambda number: _class_name(analysis, number),
            partial(class_id, classes=analysis.classes),
            "Choose a class, or type the name of another. By default the one that the model puts first.",
            len(analysis.classes),
        )
        return
    place, words = prediction_place(analysis)
    tokenizer: Any = analysis.tokenizer
    count = choices(analysis)

    def read(given: Any) -> int:
        return token_id(given, tokenizer, count)

    _choose(
        ranked.ids[place].tolist(),
        partial(_token_name, analysis, ranked, place),
        read,
        f"{literal(words)}. Choose one, or type another token as the model reads it: most begin with a space.",
        count,
    )


def _choose(
    numbers: Sequence[int],
    name: Callable[[Any], str],
    read: Callable[[Any], int],
    meaning: str,
    count: int,
) -> None:
    """Ask which token or class is explained, by which number, and against which other.

    Args:
        numbers: that are offered.
        name: names one.
        read: finds the number of what was typed.
        meaning: of the first box, on hover.
        count: how many there are; a number of a link beyond it is none.
    """
    seen = view()
    first, second, third = st.columns([1, 1, 0.7], gap="medium")
    predicted = seen.predict if 0 <= seen.predict < count else None
    other = seen.against if 0 <= seen.against < count else None
    for number in (seen.predict, seen.against):
        if number >= count:
            st.warning(
                f"The link names {number:,}, and this model has 0 to {count - 1:,}; the most probable is taken instead."
            )
    first.selectbox(
        "Explain",
        list(dict.fromkeys([*numbers, *([] if predicted is None else [predicted])])),
        key=key_showing("effects predict", numbers[0] if predicted is None else predicted),
        format_func=name,
        accept_new_options=True,
        on_change=lambda: _pick("predict", read),
        help=meaning,
    )
    third.selectbox(
        "Measured by",
        list(MEASURES),
        key=key_showing("effects measure", seen.measure),
        format_func=lambda measure: MEASURES[measure][0],
        on_change=lambda: change(measure=chosen("effects measure")),
        help="The number that is explained: how far its logit is above another's, its logit, or the logarithm of its "
        "probability.",
    )
    shown = numbers[0] if predicted is None else predicted
    others = [one for one in numbers if one != shown or one == FIRST]
    if seen.measure == "difference" and (others or other is not None):
        against = others[0] if other is None else other
        second.selectbox(
            "Against",
            list(dict.fromkeys([*others, against])),
            key=key_showing("effects against", against),
            format_func=name,
            accept_new_options=True,
            on_change=lambda: _pick("against", read),
            help="What is explained is how far the first logit is above this one. By default the most probable other.",
        )
    TYPED.say()


def _choose_text() -> None:
    """Ask for the text to compare with."""
    st.text_input(
        "How near it is to",
        key=key_showing("effects similar", view().similar),
        on_change=lambda: change(similar=chosen("effects similar").strip()),
        placeholder="Another text",
        help="This model says no tokens and no classes, but a vector of a text. What is explained is the cosine between "
        "the vectors of both texts.",
    )
    if not view().similar:
        st.caption("Give another text, to see what their likeness rests on.")


def _token_name(analysis: Analysis, ranked: Predictions, place: int, token: Any) -> str:
    """Name a token, with its probability where that is known."""
    if not isinstance(token, int):
        return str(token)
    label = label_alone(analysis.tokenizer, token)
    numbers = ranked.ids[place].tolist()
    if token not in numbers:
        return label
    return f"{label}  {float(ranked.probabilities[place, numbers.index(token)]):.3f}"


def _class_name(analysis: Analysis, number: Any) -> str:
    """Name a class; what was typed is its own name."""
    if number == FIRST:
        return "The most probable"
    known = isinstance(number, int) and 0 <= number < len(analysis.classes)
    return analysis.classes[number] if known else str(number)


def _pick(name: Literal["predict", "against"], read: Callable[[Any], int]) -> None:
    """Take what was chosen or typed; what is none is said, and the earlier stays."""
    given = chosen(f"effects {name}")
    number = TYPED.attempt(lambda: given if given == FIRST else read(given))
    if number is not None:
        explain(name, number)
