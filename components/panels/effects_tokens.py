"""What each token does to the prediction: on the text itself, and in a table, by methods beside one another."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from components.explore_session import is_dark
from components.panels.plain_text import literal
from components.run_panel import while_measuring
from components.session_state import recall, remember
from viz.effects import Effects
from viz.effects.effects import TokenMethod
from viz.errors import LoupeError
from viz.figures import shaded
from viz.service import Request

# A longer text is listed by its heaviest tokens alone.
MOST_SHADED = 2_000


@dataclass(frozen=True, slots=True)
class ByToken:
    """A way to say what a token does.

    Attributes:
        name: of it.
        meaning: one line for who does not know it.
        passes: what it costs, where it is found out only once somebody asks.
    """

    name: str
    meaning: str
    passes: str = ""


METHODS: dict[TokenMethod, ByToken] = {
    "gradient_times_input": ByToken(
        "Gradient × input",
        "The token's embedding times its gradient: its part in the prediction, to first order.",
    ),
    "attn_lrp": ByToken(
        "AttnLRP",
        "Relevance passed back from layer to layer, in logits (Achtibat et al. 2024). Biases and positions keep a part.",
        "a pass forward and backward",
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
        "a maximum flow for each token",
    ),
    "integrated_gradients": ByToken(
        "Integrated gradients",
        "The gradient along the way from no embeddings to the whole ones (Sundararajan et al. 2017).",
        "32 passes forward and backward",
    ),
    "leave_one_out": ByToken(
        "Leave one out",
        "Exact: how the prediction changes where the token's word is left out of the text. Blue: it rests on the word.",
        "a pass for each word",
    ),
}


def tokens_panel(request: Request, found: Effects) -> None:
    """Shade the text by one method, and list all that are known."""
    wanted = (request, found.objective)
    if recall("effects by token", (None, {}))[0] != wanted:
        remember("effects by token", (wanted, {}))
    known: dict[TokenMethod, pd.DataFrame | LoupeError] = recall("effects by token")[1]
    method: TokenMethod = st.segmented_control(
        "Tokens by",
        list(METHODS),
        default="gradient_times_input",
        key="effects token method",
        format_func=lambda name: METHODS[name].name,
        required=True,
        label_visibility="collapsed",
    )
    for name, one in METHODS.items():
        if name not in known and (not one.passes or name == method):
            _find(found, name, known)
    chosen = known.get(method)
    st.caption(METHODS[method].meaning)
    if isinstance(chosen, pd.DataFrame):
        _on_the_text(chosen)
    elif chosen is not None:
        st.caption(literal(f"{chosen.message} {chosen.hint}"))
    _table({name: one for name, one in known.items() if isinstance(one, pd.DataFrame)})


def _find(
    found: Effects, name: TokenMethod, known: dict[TokenMethod, pd.DataFrame | LoupeError]
) -> None:
    """Find one method's numbers, or why there are none."""

    def work(tell: object) -> pd.DataFrame:
        assert callable(tell)
        return found.tokens(name, progress=lambda done, of: tell(done / of))

    try:
        if METHODS[name].passes:
            done = while_measuring(f"{METHODS[name].name}: {METHODS[name].passes}", work)
            if done is not None:
                known[name] = done
        else:
            known[name] = found.tokens(name)
    except LoupeError as error:
        known[name] = error


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
        if name in known
    )
    st.caption(f"Sums over all tokens: {sums}.")
