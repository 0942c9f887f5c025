"""How far a method's order of heads can be trusted: what is left of the prediction as heads go, and as they come."""

from __future__ import annotations

import streamlit as st

from components.explore_session import is_dark
from components.panels.effects_methods import METHODS
from components.panels.plotly_settings import PLOTLY
from components.run_panel import while_measuring
from components.session_state import recall, remember
from viz.effects import Effects, OrderCurves, order_curves
from viz.figures import order_curves_figure
from viz.service import Request

NAMES = {**{name: one.short for name, one in METHODS.items()}, "random": "Random"}


def curves_panel(request: Request, found: Effects) -> None:
    """Draw deletion and insertion by each method, against random orders, once somebody asks."""
    if found.at_position is None:
        st.caption("Heads cannot be silenced one by one here, so that no order can be tried.")
        return
    wanted = (request, found.objective)
    st.caption(
        "Heads are silenced one after the other, those first that speak most for the prediction (deletion), and let in "
        "in the same order (insertion). A good order loses the prediction sooner than random ones, and wins it back "
        "sooner."
    )
    known, curves = recall("effects orders tried", (None, None))
    if known != wanted:
        if not st.button("Try the orders", key="effects try orders"):
            return
        curves = while_measuring(
            "Silencing heads in each order",
            lambda tell: order_curves(found, progress=lambda done, of: tell(done / of)),
        )
        if curves is None:
            return
        remember("effects orders tried", (wanted, curves))
    _draw(curves)


def _draw(found: OrderCurves) -> None:
    curves = found.curves.assign(method=found.curves["method"].map(NAMES))
    st.plotly_chart(
        order_curves_figure(curves, dark=is_dark()), key="effects curves figure", config=PLOTLY
    )
    areas = found.areas.assign(method=found.areas["method"].map(NAMES))
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        areas,
        hide_index=True,
        column_config={
            "area": st.column_config.NumberColumn(
                "area", format="%.3f", help="The mean of the prediction along the curve, in logits."
            ),
            "random": number,
            "spread": st.column_config.NumberColumn(
                "spread", format="%.3f", help="Standard deviation over the random orders."
            ),
        },
    )
