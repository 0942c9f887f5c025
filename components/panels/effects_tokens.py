"""What each token does to the prediction: on the text itself, and in a table, by methods beside one another."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import pandas as pd
import streamlit as st

from components.explore_session import change, is_dark, view
from components.panels.find_on_demand import find_in_passes
from components.panels.plain_text import literal
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing, recall, remember
from viz.effects import Effects, TokenMethod, token_agreement
from viz.effects.integrated_gradients import STEPS
from viz.errors import CancelledError, LoupeError
from viz.figures import shaded
from viz.service import Analysis

TOKENS = RunPanel("effects tokens", hint="Choose another method.")

# A longer text is listed by its heaviest tokens alone.
MOST_SHADED = 2_000


@dataclass(frozen=True, slots=True)
class ByToken:
    """A way to say what a token does.

    Attributes:
        name: of it.
        meaning: one line for who does not know it.
        passes: how many passes it takes, of how many tokens the text has; None of what is at hand.
    """

    name: str
    meaning: str
    passes: Callable[[int], float] | None = None


METHODS: dict[TokenMethod, ByToken] = {
    "gradient_times_input": ByToken(
        "Gradient × input",
        "The token's embedding times its gradient: its part in the prediction, to first order.",
    ),
    "attn_lrp": ByToken(
        "AttnLRP",
        "Relevance passed back from layer to layer (Achtibat et al. 2024). Biases, positions and softmax keep a part.",
        lambda _tokens: 4,
    ),
    "relevance": ByToken(
        "Relevance",
        "Positive weights times their gradients, followed back through the layers (Chefer et al. 2021). No unit.",
    ),
    "rollout": ByToken(
        "Rollout",
        "How much arrives through the weights alone, whatever is predicted (Abnar & Zuidema 2020). Shares of 1.",
    ),
    "flow": ByToken(
        "Attention flow",
        "How much could flow from the token through weights as capacities (Abnar & Zuidema 2020). Up to 1 each.",
        lambda tokens: tokens,
    ),
    "integrated_gradients": ByToken(
        "Integrated gradients",
        "The gradient along the way from no embeddings to the whole ones (Sundararajan et al. 2017).",
        lambda _tokens: 3 * (STEPS + 1),
    ),
    "leave_one_out": ByToken(
        "Leave one out",
        "Exact: how the prediction changes where the token's word is left out of the text. Blue: it rests on the word.",
        lambda tokens: tokens,
    ),
}


def tokens_panel(analysis: Analysis, found: Effects) -> None:
    """Shade the text by one method, and list all that are known."""
    wanted = (analysis.request, found.objective)
    if recall("effects by token", (None, {}))[0] != wanted:
        remember("effects by token", (wanted, {}))
    known: dict[TokenMethod, pd.DataFrame | LoupeError] = recall("effects by token")[1]
    method = cast("TokenMethod", view().attribution)
    st.segmented_control(
        "Tokens by",
        list(METHODS),
        key=key_showing("effects token method", method),
        format_func=lambda name: METHODS[name].name,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(attribution=chosen("effects token method")),
    )
    st.caption(METHODS[method].meaning)
    for name, one in METHODS.items():
        if name not in known and one.passes is None:
            known[name] = _found(found, name)
    shown = known.get(method)
    if shown is None:
        shown = _in_passes(analysis, found, method, wanted)
        if shown is not None:
            known[method] = shown
    if isinstance(shown, pd.DataFrame):
        _on_the_text(shown)
        _gap(shown, found)
    elif shown is not None:
        st.caption(literal(f"{shown.message} {shown.hint}"))
    _table({name: one for name, one in known.items() if isinstance(one, pd.DataFrame)})


def _found(
    found: Effects, name: TokenMethod, tell: Callable[[int, int], None] | None = None
) -> pd.DataFrame | LoupeError:
    """Find one method's numbers, or why there are none."""
    try:
        return found.tokens(name, progress=tell)
    except CancelledError:
        raise
    except LoupeError as error:
        return error


def _in_passes(
    analysis: Analysis, found: Effects, name: TokenMethod, wanted: object
) -> pd.DataFrame | LoupeError | None:
    """Find what takes several passes: at once where that is quick, else once somebody asks."""
    one = METHODS[name]
    assert one.passes is not None
    return find_in_passes(
        TOKENS,
        (wanted, name),
        lambda tell: _found(found, name, tell),
        known=None,
        seconds=analysis.seconds * one.passes(len(found.trace.units)),
        verb=f"Find {one.name.lower() if one.name != 'AttnLRP' else one.name}",
        doing=one.name,
    )


def _gap(frame: pd.DataFrame, found: Effects) -> None:
    """Say how far the sum is from what it would be without a remainder."""
    if "gap" not in frame.attrs:
        return
    whole = "change" if "change" in frame.attrs else "value"
    what = {
        "change": "The change of the prediction from no embeddings at all",
        "value": "The prediction",
    }
    st.caption(
        f"{what[whole]} is {frame.attrs[whole]:+.3g} {unit_of(found.objective)}; the sum over all tokens is "
        f"{frame.attrs['gap']:+.3g} off."
    )


def _on_the_text(frame: pd.DataFrame) -> None:
    """Write the text, each token shaded by its number."""
    if len(frame) > MOST_SHADED:
        st.caption(f"The text has {len(frame):,} tokens; the heaviest are listed below.")
        return
    colours = shaded(frame["effect"].to_numpy(), dark=is_dark())
    spans = [
        f'<span style="background:{back};color:{ink};padding:0.1em 0.2em;margin:1px;border-radius:3px;'
        f'display:inline-block" title="{at}: {"none" if pd.isna(value) else f"{value:+.3g}"}">'
        f"{html.escape(str(token))}</span>"
        for at, (token, value, (back, ink)) in enumerate(
            zip(frame["token"], frame["effect"], colours, strict=True)
        )
    ]
    st.html(f'<div dir="auto" style="line-height:1.9">{"".join(spans)}</div>')


def _table(known: dict[TokenMethod, pd.DataFrame]) -> None:
    """List every token by every method that is known, with their sums."""
    if not known:
        return
    first = next(iter(known.values()))
    names = [f"{label} ({number})" for number, label in enumerate(first["token"])]
    frame = pd.DataFrame({"token": names})
    for name, one in METHODS.items():
        if name in known:
            frame[one.name] = known[name]["effect"]
    st.dataframe(
        frame,
        key="effects tokens table",
        hide_index=True,
        height=280,
        column_config={
            one.name: st.column_config.NumberColumn(format="%+.3f", help=one.meaning)
            for one in METHODS.values()
        },
    )
    sums = "; ".join(
        f"{one.name} {known[name]['effect'].sum():+.3g}"
        for name, one in METHODS.items()
        # Each piece of a word has the whole word's change, so that those would be counted twice.
        if name in known and name != "leave_one_out"
    )
    st.caption(f"Sums over all tokens: {sums}.")
    agreed = token_agreement({str(name): frame for name, frame in known.items()})
    if agreed:
        ranks = "; ".join(f"{METHODS[name].name} {rank:.2f}" for name, rank in _ordered(agreed))
        st.caption(
            f"How well ranks of tokens agree with leaving words out: {ranks}.",
            help="Spearman's rank correlation on this text, with signs: 1 is the same order, 0 none.",
        )


def _ordered(agreed: Mapping[str, float]) -> list[tuple[TokenMethod, float]]:
    return [(name, agreed[name]) for name in METHODS if name in agreed]
