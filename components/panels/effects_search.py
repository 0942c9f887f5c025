"""The fewest weights that keep most of the prediction, once somebody asks."""

from __future__ import annotations

import streamlit as st

from components.explore_session import view
from components.panels.effects_found import shown_effects
from components.panels.find_on_demand import find_in_passes
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from viz.effects import EdgeSearch, smallest_edges
from viz.effects.every_head import is_read_at
from viz.effects.found_effects import FoundEffects
from viz.service import Analysis

SEARCH = RunPanel("effects search", hint="Cut weights by hand instead.")

# Passes that a search takes, of single tokens where the model can.
TRIES = 60

SHARES = (0.5, 0.8, 0.9, 0.95)


def search_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Search for the fewest weights of the prediction's own row that keep a share of it, and list them."""
    stack = view().stack
    if not is_read_at(found.trace, found.objective, stack):
        st.caption("What is explained has no row of weights of its own in this stack.")
        return
    if found.value <= 0:
        st.caption(
            "The prediction is not above what it is compared with, so there is no share of it to keep. "
            "Explain a token that is."
        )
        return
    keep = st.segmented_control(
        "Keep",
        SHARES,
        default=0.9,
        key="effects search keep",
        format_func=lambda share: f"{share:.0%}",
        required=True,
        help="Of the prediction. Weights are taken in the order of weight times gradient, all others of its row cut.",
    )
    done = find_in_passes(
        SEARCH,
        (shown_effects(), stack, keep),
        lambda tell: found.ask(smallest_edges, keep=keep, stack=stack, progress=tell),
        seconds=TRIES * analysis.seconds / (10 if found.at_position is not None else 1),
        verb="Search for the fewest weights",
        doing="Cutting weights",
        ask=True,
    )
    if done is not None:
        _draw(done, found)


def _draw(done: EdgeSearch, found: FoundEffects) -> None:
    st.markdown(
        f"**{len(done.edges):,}** of {done.of:,} weights keep {done.kept / done.value:.0%} of the prediction: "
        f"{done.kept:.3g} of {done.value:.3g} {unit_of(found.objective)}."
    )
    st.dataframe(
        done.edges.drop(columns="key").assign(
            token=[
                f"{label} ({key})"
                for label, key in zip(done.edges["token"], done.edges["key"], strict=True)
            ]
        ),
        key="effects search table",
        hide_index=True,
        height=280,
        column_config={
            "weight": st.column_config.NumberColumn(format="%.3f"),
            "weight_gradient": st.column_config.NumberColumn("weight × gradient", format="%+.3f"),
        },
    )
