"""The selected head's pattern by what its weights do: signed, or by how large what they write is."""

from __future__ import annotations

from typing import cast

import numpy as np
import streamlit as st

from components.canvas import ShownEffect, attention_map
from components.explore_session import change, is_dark, owner, view, workbench
from components.panels.effects_found import shown_effects
from components.panels.find_on_demand import find_on_demand
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing, recall
from viz.effects import WeightKind
from viz.effects.effect_tiles import HeadPlace
from viz.effects.found_effects import FoundEffects
from viz.figures import NOT_ATTENDED, diverging_rgb, hex_rgb, palette_rgb
from viz.patterns import levels
from viz.service import Analysis
from viz.service.effect_tile_data import largest_of

PATTERN = RunPanel("effects pattern", hint="Choose another kind.")

# Weights with their gradients that two cores compute.
CELLS_A_SECOND = 1e8

# Short names, and one line for who does not know them.
KINDS: dict[WeightKind, tuple[str, str]] = {
    "weight_gradient": (
        "Weight × gradient",
        "To first order what each weight adds to the prediction (Hao et al. 2021).",
    ),
    "positive": (
        "Its positive part",
        "Weight times gradient where that speaks for the prediction (Chefer et al. 2021).",
    ),
    "gradient": (
        "Gradient",
        "What the prediction would gain for each unit of weight.",
    ),
    "value_norm": (
        "Weight × norm of value",
        "How large what each weight writes into the stream is, whatever its direction (Kobayashi et al. 2020).",
    ),
    "share": (
        "Share of the logit",
        "What each weight writes into the logit itself; only the row of the prediction does.",
    ),
    "weight": ("Weight", "The pattern itself."),
}

# Numbers that are never below 0.
UNSIGNED = ("positive", "value_norm", "weight")


def effects_pattern_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Draw the selected head's pattern by a kind that is chosen, as a map that one can move about in."""
    seen = view()
    kind = cast("WeightKind", seen.weighed)
    st.selectbox(
        "Show of each weight",
        list(KINDS),
        key=key_showing("effects pattern kind", kind),
        format_func=lambda name: KINDS[name][0],
        on_change=lambda: change(weighed=chosen("effects pattern kind")),
    )
    st.caption(KINDS[kind][1])
    place = HeadPlace(kind, seen.layer, seen.head, seen.stack)
    name = workbench().effects_name(owner(), *shown_effects())
    stack = found.trace.stacks[seen.stack]
    queries, keys = len(stack.queries), len(stack.keys)
    drawn = find_on_demand(
        PATTERN,
        (name, place),
        lambda tell: found.ask(largest_of, place, progress=lambda: tell("draw", 0.0)),
        seconds=queries * keys / CELLS_A_SECOND,
        verb="Draw the pattern",
        phases={"draw": (0.0, 1.0, "Computing the pattern")},
    )
    if drawn is None:
        return
    whole, largest = drawn
    signed = kind not in UNSIGNED
    attention_map(
        token=analysis.token,
        stack=seen.stack,
        layer=seen.layer,
        head=seen.head,
        shape=(queries, keys),
        levels=levels(queries, keys),
        coarse=(whole / largest).astype(np.float16),
        largest_mean=min(1.0, 16 / keys),
        span=_span(queries, keys),
        pinned=None,
        palette=diverging_rgb(is_dark()) if signed else palette_rgb(seen.palette, is_dark()),
        never=hex_rgb(NOT_ATTENDED[is_dark()]),
        scale="linear",
        key="effects pattern map",
        on_pin=lambda: None,
        on_move=lambda: None,
        effect=ShownEffect(name, kind, signed, largest, _unit(kind, found)),
    )
    st.caption(
        f"Layer {seen.layer}, head {seen.head}; the darkest is {largest:.3g}. "
        + ("Red: for the prediction. Blue: against it. " if signed else "")
        + (
            "A coarse cell is the number furthest from 0 of those that it stands for, or their mean. "
            if levels(queries, keys) > 1
            else ""
        )
        + "Grey: not attended."
    )


def _unit(kind: WeightKind, found: FoundEffects) -> str:
    """Name the unit of a kind."""
    if kind in ("weight", "value_norm"):
        return ""
    unit = unit_of(found.objective)
    return f"{unit} per unit of weight" if kind == "gradient" else unit


def _span(queries: int, keys: int) -> tuple[int, int, int, int]:
    """Return what was seen last of the map; all of it at first, or where it does not fit."""
    kept = recall("effects pattern map", None)
    span = None if kept is None else kept.get("span")
    if not span or span[1] > queries or span[3] > keys:
        return 0, queries, 0, keys
    return span[0], span[1], span[2], span[3]
