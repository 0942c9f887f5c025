"""The selected head's pattern by what its weights do: signed, or by how large what they write is."""

from __future__ import annotations

from typing import cast

import numpy as np
import streamlit as st

from components.explore_session import change, is_dark, view
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.session_state import chosen, key_showing
from viz.effects import Effects, WeightKind
from viz.errors import LoupeError
from viz.figures import matrix_figure
from viz.service import Analysis

# Rows and columns that a screen has room for.
MOST_UNITS = 256

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


def effects_pattern_panel(_analysis: Analysis, found: Effects) -> None:
    """Draw the selected head's pattern by a kind that is chosen."""
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
    stack = found.trace.stacks[seen.stack]
    place = found.objective.position
    stop = None
    if place is not None and stack.aligned:
        stop = min(len(stack.queries), place + 1)
    rows = _window(len(stack.queries), stop)
    columns = _window(len(stack.keys), stop)
    try:
        values = found.weights(kind, seen.layer, seen.head, rows, columns, stack=seen.stack)
    except LoupeError as error:
        st.info(literal(f"{error.message} {error.hint}"))
        return
    numbers = values.cpu().numpy()
    names = [
        [f"{units.labels[at]} ({at})" for at in range(len(units))[chosen]]
        for units, chosen in ((stack.queries, rows), (stack.keys, columns))
    ]
    known = np.abs(numbers[np.isfinite(numbers)])
    figure = matrix_figure(
        numbers,
        *names,
        kind="weights" if kind in UNSIGNED else "difference",
        largest=max(float(known.max()) if known.size else 0.0, 1e-6),
        dark=is_dark(),
        height=420,
    )
    figure.data[0].colorbar.title = {
        "text": f"{KINDS[kind][0]}, layer {seen.layer}, head {seen.head}",
        "side": "top",
    }
    st.plotly_chart(figure, key="effects pattern", config=PLOTLY)
    if len(stack.queries) > MOST_UNITS or len(stack.keys) > MOST_UNITS:
        st.caption(
            f"Rows {rows.start:,} to {rows.stop - 1:,} and columns {columns.start:,} to {columns.stop - 1:,} of "
            f"{len(stack.queries):,} × {len(stack.keys):,}. In Python `Effects.weights` gives any others."
        )


def _window(count: int, stop: int | None) -> slice:
    """Choose units up to where the prediction is made, or the first."""
    if count <= MOST_UNITS:
        return slice(0, count)
    end = MOST_UNITS if stop is None else max(MOST_UNITS, stop)
    return slice(end - MOST_UNITS, end)
