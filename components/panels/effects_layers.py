"""What the prediction becomes without all heads of a layer, and without its MLP, for scale beside single heads."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from components.explore_session import view
from components.panels.effects_found import shown_effects
from components.panels.find_on_demand import Passes, find_in_passes
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from viz.effects import Effects, Head, KnockOuts, Mlp
from viz.effects.every_head import is_read_at
from viz.effects.found_effects import FoundEffects
from viz.effects.knock_out import Part
from viz.errors import CancelledError, LoupeError
from viz.figures import layer_effects_figure
from viz.service import Analysis

LAYERS = RunPanel("effects layers", hint="Look at single heads instead.")

# What is found: changes of each part, and why MLPs are not among them; empty where they are.
Found = tuple[pd.DataFrame, str]


def layers_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Draw the change without each layer's attention and MLP."""
    stack = view().stack
    layers = found.trace.stacks[stack].layers
    done = find_in_passes(
        LAYERS,
        (shown_effects(), stack),
        lambda tell: _without_each(found, stack, tell),
        # Single tokens where every head was known at once.
        seconds=analysis.seconds * (3 if found.at_position is not None else 2 * layers),
        verb="Knock each layer out",
        doing="Knocking layers out",
        counted="parts",
    )
    if done is None:
        return
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


def _without_each(found: FoundEffects, stack: str, tell: Passes) -> Found:
    """Knock out each layer's heads, then its MLP where there is one to be told apart."""
    layers = range(found.trace.stacks[stack].layers)
    at = [found.objective.place] if is_read_at(found.trace, found.objective, stack) else None

    def without(parts: Sequence[Part], before: int) -> pd.DataFrame:
        done = found.ask(
            Effects.knock_out,
            heads=parts,
            queries=at,
            progress=lambda done, _of: tell(before + done, 2 * len(layers)),
        )
        assert isinstance(done, KnockOuts)
        return done.table

    heads = without([Head(layer, None, stack) for layer in layers], 0)
    try:
        mlps = without([Mlp(layer, stack) for layer in layers], len(layers))
    except CancelledError:
        raise
    except LoupeError as error:
        return heads, f"MLPs are not among them. {error.message}"
    return pd.concat([heads, mlps], ignore_index=True), ""
