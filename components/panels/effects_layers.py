"""What the prediction becomes without all heads of a layer, and without its MLP, for scale beside single heads."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from components.explore_session import view
from components.panels.find_on_demand import find_in_passes
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from components.session_state import recall, remember
from viz.effects import Effects, Head, KnockOuts, Mlp
from viz.effects.every_head import is_read_at
from viz.errors import CancelledError, LoupeError
from viz.figures import layer_effects_figure
from viz.service import Analysis

LAYERS = RunPanel("effects layers", hint="Look at single heads instead.")

# What is found: changes of each part, and why MLPs are not among them; empty where they are.
Found = tuple[pd.DataFrame, str]


def layers_panel(analysis: Analysis, found: Effects) -> None:
    """Draw the change without each layer's attention and MLP."""
    stack = view().stack
    wanted = (analysis.request, found.objective, stack)
    before, known = recall("effects layers found", (None, None))
    layers = found.trace.stacks[stack].layers
    done = find_in_passes(
        LAYERS,
        wanted,
        lambda tell: _without_each(found, stack, tell),
        known=known if before == wanted else None,
        # Single tokens where every head was known at once.
        seconds=analysis.seconds * (3 if found.at_position is not None else 2 * layers),
        verb="Knock each layer out",
        doing="Knocking layers out",
    )
    if done is None:
        return
    remember("effects layers found", (wanted, done))
    changes, refused = done
    unit = unit_of(found.objective)
    st.plotly_chart(layer_effects_figure(changes, unit), key="effects layers figure", config=PLOTLY)
    where = (
        "at the position of the prediction"
        if is_read_at(found.trace, found.objective, stack)
        else "at all positions"
    )
    st.caption(
        f"Exact: the change where a part puts out 0 {where}. Below 0: the prediction rests on it."
        + (f" {literal(refused)}" if refused else "")
    )


def _without_each(found: Effects, stack: str, tell: Callable[[int, int], None]) -> Found:
    """Knock out each layer's heads, then its MLP where there is one to be told apart."""
    layers = range(found.trace.stacks[stack].layers)
    at = [found.objective.place] if is_read_at(found.trace, found.objective, stack) else None
    heads = found.knock_out(heads=[Head(layer, None, stack) for layer in layers], queries=at)
    assert isinstance(heads, KnockOuts)
    tell(len(layers), 2 * len(layers))
    try:
        mlps = found.knock_out(heads=[Mlp(layer, stack) for layer in layers], queries=at)
    except CancelledError:
        raise
    except LoupeError as error:
        return heads.table, f"MLPs are not among them. {error.message}"
    assert isinstance(mlps, KnockOuts)
    tell(2 * len(layers), 2 * len(layers))
    return pd.concat([heads.table, mlps.table], ignore_index=True), ""
