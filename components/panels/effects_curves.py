"""How far a method's order of heads can be trusted: what is left of the prediction as heads go, and as they come."""

from __future__ import annotations

import streamlit as st

from components.explore_session import is_dark, view
from components.panels.effects_found import shown_effects
from components.panels.effects_methods import METHODS
from components.panels.find_on_demand import find_in_passes
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from viz.effects import OrderCurves, order_curves, permuted_heads
from viz.effects.every_head import is_read_at
from viz.effects.found_effects import FoundEffects
from viz.effects.order_curves import ORDERS, STEPS
from viz.figures import order_curves_figure
from viz.service import Analysis

CURVES = RunPanel("effects orders", hint="Look at single heads instead.")
PERMUTED = RunPanel("effects permuted", hint="Look at single heads instead.")

# Heads that are compared with permuted ones, and below which share of them a row is a head's own.
MOST_PERMUTED, CHANCE = 10, 0.05

# That a head's own row of weights, and that of their gradients, take on two cores.
ROW_SECONDS = 0.0004

NAMES = {**{name: one.short for name, one in METHODS.items()}, "random": "Random"}


def curves_panel(analysis: Analysis, found: FoundEffects) -> None:
    """Draw deletion and insertion by each method, against random orders, once somebody asks."""
    if found.at_position is None:
        st.caption("Knock every head out first: an order is tried against what each does exactly.")
        return
    if is_read_at(found.trace, found.objective, view().stack):
        _permuted(found)
    st.caption(
        "Heads are silenced one after the other, those first that speak most for the prediction (deletion), and let in "
        "in the same order (insertion). A good order loses the prediction sooner than random ones, and wins it back "
        "sooner."
    )
    variants = 2 * (ORDERS + len(METHODS)) * (STEPS + 2)
    alone = len(found.at_position.heads) if found.objective.position is not None else 1
    tried = find_in_passes(
        CURVES,
        shown_effects(),
        lambda tell: found.ask(order_curves, progress=tell),
        seconds=analysis.seconds * variants / max(1, alone),
        verb="Try the orders",
        doing="Silencing heads in each order",
        ask=True,
    )
    if tried is not None:
        _draw(tried, unit_of(found.objective))


def _permuted(found: FoundEffects) -> None:
    """Say what a head's own pattern has to do with what it adds: others' rows in its place as the null."""
    stack = view().stack
    frame = find_in_passes(
        PERMUTED,
        (shown_effects(), stack),
        lambda tell: found.ask(permuted_heads, stack=stack, progress=tell),
        seconds=len(found.heads) * ROW_SECONDS,
        verb="Permute the heads",
        doing="Reading the row of each head",
        counted="heads",
    )
    if frame is None:
        return
    first = frame.sort_values("own", key=abs, ascending=False).head(MOST_PERMUTED)
    own = int((first["larger"] < CHANCE).sum())
    st.caption(
        f"Of the {len(first)} heads whose own row adds most (weight × gradient), {own} owe it to their own pattern: "
        f"another head's row in its place would add as much for fewer than {CHANCE:.0%} of the other heads.",
        help="The null of permuted heads: each head keeps its values and gradients and is given the row of every other head.",
    )
    st.dataframe(
        first,
        key="effects permuted table",
        hide_index=True,
        height=220,
        column_config={
            name: st.column_config.NumberColumn(format="%+.3f")
            for name in ("own", "others", "spread")
        }
        | {
            "larger": st.column_config.NumberColumn(
                "share as large",
                format="%.2f",
                help="Of the other heads, those whose row would add as much.",
            )
        },
    )


def _draw(found: OrderCurves, unit: str) -> None:
    curves = found.curves.assign(method=found.curves["method"].map(NAMES))
    st.plotly_chart(
        order_curves_figure(curves, unit=unit, dark=is_dark()),
        key="effects curves figure",
        config=PLOTLY,
    )
    areas = found.areas.assign(method=found.areas["method"].map(NAMES))
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        areas,
        hide_index=True,
        column_config={
            "area": st.column_config.NumberColumn(
                "area",
                format="%.3f",
                help=f"The mean of the prediction along the curve, in {unit}.",
            ),
            "random": number,
            "spread": st.column_config.NumberColumn(
                "spread", format="%.3f", help="Standard deviation over the random orders."
            ),
        },
    )
