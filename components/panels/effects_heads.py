"""One number a head: what the prediction becomes without it, by methods that are told apart and compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components.explore_session import change, is_dark, view
from components.panels.effects_methods import METHODS, method_of, methods_of
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import unit_of
from components.session_state import chosen, key_showing, remember, value_of
from viz.effects import DirectAttribution, agreement, misleading
from viz.effects.found_effects import FoundEffects
from viz.effects.trust import by_method
from viz.figures import effects_figure

# Heads in the table.
LISTED_HEADS = 20


def heads_panel(found: FoundEffects) -> None:
    """Draw one number a head, by a method that is named."""
    seen = view()
    frame = found.ask(by_method)
    frame = frame[frame["stack"] == seen.stack]
    offered, method = methods_of(frame), method_of(frame)
    st.segmented_control(
        "Method",
        offered,
        key=key_showing("effects method", method),
        format_func=lambda name: METHODS[name].short,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(effect=chosen("effects method")),
    )
    st.plotly_chart(
        effects_figure(
            _matrix(frame, method),
            f"{METHODS[method].number} ({unit_of(found.objective)})",
            selected=seen.chosen,
            dark=is_dark(),
        ),
        key="effects map",
        config=PLOTLY,
        on_select=_pick_from_map,
        selection_mode="points",
    )
    st.caption(METHODS[method].meaning)
    _trust(found)
    if "share" not in offered and found.refused is not None:
        st.caption(literal(found.refused.message))
    elif found.direct is not None:
        st.caption(_sum(found.direct))
    listed = frame.drop(columns="stack").head(LISTED_HEADS)
    if len(frame) > LISTED_HEADS:
        st.caption(f"The {LISTED_HEADS} heads of {len(frame):,} with the largest effect:")
    st.dataframe(
        listed,
        key="effects table",
        hide_index=True,
        height=220,
        on_select=lambda: _pick_from_table(listed),
        selection_mode="single-row",
        column_config={
            name: st.column_config.NumberColumn(one.short, format="%+.3f", help=one.meaning)
            for name, one in METHODS.items()
        },
    )


def _sum(direct: DirectAttribution) -> str:
    """Say what shares add up to, and what is held still for that."""
    scaled = (
        " The model scales or caps all of its logits once more; shares are of those before."
        if direct.capped
        else ""
    )
    what = "the logit" if direct.objective.against is None else "the difference of both logits"
    return (
        f"Shares of all heads, MLPs, the embedding and biases add up to {direct.sum:.4g}; {what} is "
        f"{direct.value:.4g}. The final norm is held at the scale that it had.{scaled}"
    )


def _trust(found: FoundEffects) -> None:
    """Say how far the methods agree, and where the pattern alone would tell another story."""
    agreed = found.ask(agreement)
    if len(agreed):
        pairs = zip(agreed["method"], agreed["rank_correlation"], strict=True)
        ranks = "; ".join(f"{METHODS[method].short} {rank:.2f}" for method, rank in pairs)
        st.caption(
            f"How well ranks of heads agree with exact knock-out: {ranks}.",
            help="Spearman's rank correlation on this text: 1 is the same order, 0 none.",
        )
    seen = view()
    stack = found.trace.stacks[seen.stack]
    idle, deciding = found.ask(misleading, stack=seen.stack)
    said: list[str] = []
    if idle is not None:
        said.append(
            f"Layer {idle.layer}, head {idle.head} attends strongly to {stack.keys.labels[idle.key]} ({idle.key}) "
            f"with a weight of {idle.weight:.2f}, and without it the prediction changes by {idle.change:+.3f}."
        )
    if deciding is not None:
        said.append(
            f"Layer {deciding.layer}, head {deciding.head} puts at most {deciding.weight:.2f} on a single key, and "
            f"without it the prediction changes by {deciding.change:+.3f}."
        )
    if said:
        st.caption(literal("The pattern alone would mislead: " + " ".join(said)))


def _matrix(frame: pd.DataFrame, method: str) -> NDArray[np.float32]:
    """Lay one number a head out, [layer, head]."""
    found = np.full((frame["layer"].max() + 1, frame["head"].max() + 1), np.nan, dtype=np.float32)
    found[frame["layer"], frame["head"]] = frame[method]
    return found


def _pick_from_map() -> None:
    points = value_of("effects map").selection.points
    if points:
        _select(int(points[0]["y"]), int(points[0]["x"]))


def _pick_from_table(frame: pd.DataFrame) -> None:
    rows = value_of("effects table").selection.rows
    if rows:
        row = frame.iloc[rows[0]]
        _select(int(row["layer"]), int(row["head"]))


def _select(layer: int, head: int) -> None:
    """Select a head here and in every other panel."""
    change(layer=layer, head=head, also="")
    remember("view chose", True)
