"""The prediction without something, exactly, once somebody asks."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components.run_panel import while_measuring
from components.session_state import recall, remember
from viz.effects import Effects


def without_panel(
    found: Effects,
    wanted: object,
    run: Callable[[], float],
    *,
    name: str,
    label: str,
    hint: str,
    progress: str,
    title: str,
    disabled: bool = False,
) -> None:
    """Offer to run the model without something, and say what becomes of the prediction.

    Args:
        found: the effects of the prediction.
        wanted: what it is to be run without, and of which run.
        run: runs it; the prediction without.
        name: under which the session remembers.
        label: of the button.
        hint: of the button, on hover.
        progress: said while it runs.
        title: of the number.
        disabled: nothing is chosen yet.
    """
    if st.button(label, key=name, disabled=disabled, help=hint):
        done = while_measuring(progress, lambda _tell: run())
        if done is not None:
            remember(f"{name} found", (wanted, done))
    known, value = recall(f"{name} found", (None, None))
    if known == wanted and value is not None:
        st.metric(title, f"{value:.3g} logits", f"{value - found.value:+.3g}")
