"""The prediction without something, exactly, once somebody asks."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components.panels.find_on_demand import Passes, find_in_passes
from components.panels.prediction_place import unit_of
from components.run_panel import RunPanel
from viz.effects.found_effects import FoundEffects

ROUNDING = 1e-5


def without_panel(
    found: FoundEffects,
    wanted: object,
    run: Callable[[Passes], float],
    *,
    name: str,
    label: str,
    hint: str,
    progress: str,
    title: str,
    seconds: float,
    disabled: bool = False,
) -> None:
    """Offer to run the model without something, and say what becomes of the prediction.

    Args:
        found: the effects of the prediction.
        wanted: what it is to be run without, and of which run.
        run: runs it, and is told what to tell its passes to; the prediction without.
        name: under which the session remembers.
        label: of the button.
        hint: of the button, on hover.
        progress: said while it runs.
        title: of the number.
        seconds: that it will take.
        disabled: nothing is chosen yet.
    """
    done = find_in_passes(
        RunPanel(name, hint="Choose something else."),
        wanted,
        run,
        seconds=seconds,
        verb=label,
        doing=progress,
        ask=True,
        hint=hint,
        disabled=disabled,
    )
    if done is None:
        return
    change = done - found.value
    # Below this it is the rounding of float32 that shows.
    same = abs(change) <= ROUNDING * max(1.0, abs(found.value))
    st.metric(
        title,
        f"{done:.3g} {unit_of(found.objective)}",
        "no change" if same else f"{change:+.3g}",
        delta_color="off" if same else "normal",
    )
