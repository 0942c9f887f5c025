"""What each token does to the prediction: on the text itself, and in a table, by methods beside one another."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import pandas as pd
import streamlit as st

from components.explore_session import change, is_dark, view
from components.panels.effects_found import shown_effects
from components.panels.find_on_demand import Passes, find_in_passes, found_before
from components.panels.plain_text import literal
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing
from viz.effects import Effects, TokenMethod, token_agreement
from viz.effects.found_effects import FoundEffects
from viz.effects.integrated_gradients import STEPS
from viz.errors import CancelledError, LoupeError
from viz.figures import shaded
from viz.service import Analysis

# Numbers of every token, or why there are none.
ByMethod = pd.DataFrame | LoupeError

# A longer text is listed by its heaviest tokens alone.
MOST_SHADED = 2_000


@dataclass(frozen=True, slots=True)
class ByToken:
    """A way to say what a token does.

    Attributes:
        name: of it.
        meaning: one line for who does not know it.
        passes: how many passes it takes about as long as, of how many tokens the text has.
        counted: what its progress counts.
    """

    name: str
    meaning: str
    passes: Callable[[int], float]
    counted: str = "passes"


METHODS: dict[TokenMethod, ByToken] = {
    "gradient_times_input": ByToken(
        "Gradient × input",
        "The token's embedding times its gradient: its part in the prediction, to first order.",
        lambda _tokens: 0,
    ),
    "attn_lrp": ByToken(
        "AttnLRP",
        "Relevance passed back from layer to layer (Achtibat et al. 2024). Biases, positions and softmax keep a part.",
        lambda _tokens: 3,
    ),
    "relevance": ByToken(
        "Relevance",
        "Positive weights times their gradients, followed back through the layers (Chefer et al. 2021). No unit.",
        lambda _tokens: 1,
        "layers",
    ),
    "rollout": ByToken(
        "Rollout",
        "How much arrives through the weights alone, whatever is predicted (Abnar & Zuidema 2020). Shares of 1.",
        lambda _tokens: 1,
        "layers",
    ),
    "flow": ByToken(
        "Attention flow",
        "How much could flow from the token through weights as capacities (Abnar & Zuidema 2020). Up to 1 each.",
        lambda tokens: tokens,
        "tokens",
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
        "words",
    ),
}

# Methods that run no pass of the model stand in the table though another is chosen, where they take a moment, in seconds.
WITHOUT_PASSES = ("gradient_times_input", "relevance", "rollout")
MOMENT = 1.0


def tokens_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Shade the text by one method, and list all that are known."""
    method = cast("TokenMethod", view().attribution)
    st.pills(
        "Tokens by",
        list(METHODS),
        key=key_showing("effects token method", method),
        format_func=lambda name: METHODS[name].name,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(attribution=chosen("effects token method")),
    )
    st.caption(METHODS[method].meaning)
    shown = _found(analysis, found, method)
    if isinstance(shown, pd.DataFrame):
        written = _written(shown)
        largest = _listed(shown)["effect"].abs().max()
        _on_the_text(shown, largest)
        if len(written):
            st.caption("Of what the model writes, before what it predicts:")
            _on_the_text(written, largest)
        _gap(shown, found)
    elif shown is not None:
        st.caption(literal(f"{shown.message} {shown.hint}"))
    _table(_known(analysis, found, method), method)


def _found(analysis: Analysis, found: FoundEffects, name: TokenMethod) -> ByMethod | None:
    """Find one method's numbers, or why there are none: at once where that is quick, else once somebody asks."""
    one = METHODS[name]

    def find(tell: Passes) -> ByMethod:
        try:
            return found.ask(Effects.tokens, name, progress=tell)
        except CancelledError:
            raise
        except LoupeError as error:
            return error

    return find_in_passes(
        panel_of(name),
        shown_effects(),
        find,
        seconds=_seconds(analysis, found, name),
        verb=f"Find {one.name.lower() if one.name != 'AttnLRP' else one.name}",
        doing=one.name,
        counted=one.counted,
    )


def _known(
    analysis: Analysis, found: FoundEffects, method: TokenMethod
) -> dict[TokenMethod, pd.DataFrame]:
    """Return every method's numbers that were found before, and of others than the chosen what takes a moment."""
    known: dict[TokenMethod, pd.DataFrame] = {}
    for name in METHODS:
        before = found_before(panel_of(name), shown_effects())
        if before is None and name != method and _takes_a_moment(analysis, found, name):
            before = _found(analysis, found, name)
        if isinstance(before, pd.DataFrame):
            known[name] = before
    return known


def panel_of(name: TokenMethod) -> RunPanel:
    """Return a method's own panel, so that the session remembers what each found."""
    return RunPanel(f"effects tokens {name}", hint="Choose another method.")


def _takes_a_moment(analysis: Analysis, found: FoundEffects, name: TokenMethod) -> bool:
    """Whether a method is found without being asked for; not where somebody cancelled it."""
    quick = name in WITHOUT_PASSES and _seconds(analysis, found, name) <= MOMENT
    return quick and not panel_of(name).is_stopped(shown_effects())


def _seconds(analysis: Analysis, found: FoundEffects, name: TokenMethod) -> float:
    return analysis.seconds * METHODS[name].passes(len(found.trace.units))


def _gap(frame: pd.DataFrame, found: FoundEffects) -> None:
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


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of what an encoder-decoder writes; of other methods and models there are none."""
    return pd.DataFrame(frame.attrs.get("written", {"token": [], "effect": []}))


def _listed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of what is read, then of what is written."""
    written = _written(frame)
    return pd.concat([frame, written], ignore_index=True) if len(written) else frame


def _on_the_text(frame: pd.DataFrame, largest: float) -> None:
    """Write a text, each token shaded by its number, the darkest the largest of all."""
    if len(frame) > MOST_SHADED:
        st.caption(f"The text has {len(frame):,} tokens; the heaviest are listed below.")
        return
    colours = shaded(frame["effect"].to_numpy(), dark=is_dark(), largest=largest)
    spans = [
        f'<span style="background:{back};color:{ink};padding:0.1em 0.2em;margin:1px;border-radius:3px;'
        f'display:inline-block" title="{at}: {"none" if pd.isna(value) else f"{value:+.3g}"}">'
        f"{html.escape(str(token))}</span>"
        for at, (token, value, (back, ink)) in enumerate(
            zip(frame["token"], frame["effect"], colours, strict=True)
        )
    ]
    st.html(f'<div dir="auto" style="line-height:1.9">{"".join(spans)}</div>')


def _table(known: dict[TokenMethod, pd.DataFrame], method: TokenMethod) -> None:
    """List every token by every method that is known, the chosen one first, with their sums."""
    if not known:
        return
    listed = {name: _listed(one) for name, one in known.items()}
    longest = max(listed.values(), key=len)
    read = min(len(one) for one in known.values())
    frame = pd.DataFrame(
        {
            "token": [
                f"{label} ({at})" if at < read else f"{label} ({at - read}, written)"
                for at, label in enumerate(longest["token"])
            ]
        }
    )
    for name, one in METHODS.items():
        if name in listed:
            frame[one.name] = listed[name]["effect"]
    own = METHODS[method].name
    st.dataframe(
        frame,
        key="effects tokens table",
        column_order=sorted(frame.columns, key=lambda one: (one != "token", one != own)),
        hide_index=True,
        height=280,
        column_config={
            one.name: st.column_config.NumberColumn(format="%+.3f", help=one.meaning)
            for one in METHODS.values()
        },
    )
    sums = "; ".join(
        f"{one.name} {listed[name]['effect'].sum():+.3g}"
        for name, one in METHODS.items()
        # Each piece of a word has the whole word's change, so that those would be counted twice.
        if name in listed and name != "leave_one_out"
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
