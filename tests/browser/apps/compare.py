"""A page with the comparison alone: two made-up sides, and what Python hears of them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from components.canvas.compare_view import ComparedSide, compare_view

# Row 4 and column 4 are of the second side alone; one cell of the first side has no number.
FIRST = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.25, 0.75, 0.0, 0.0, 0.0],
        [0.09, 0.5, 0.25, 0.16, 0.0],
        [0.36, 0.04, 0.2, np.nan, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
    ],
    dtype=np.float32,
)
SECOND = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [0.34, 0.5, 0.0, 0.16, 0.0],
        [0.1, 0.2, 0.3, 0.4, 0.0],
        [0.2, 0.2, 0.2, 0.2, 0.2],
    ],
    dtype=np.float32,
)
NAMES = ("[CLS]", "<b>it</b>", "street", "tired", "wide")
THERE = np.array([True, True, True, True, False])
ATTENDED = np.tri(5, dtype=bool)


def side(
    title: str, weights: np.ndarray, there: np.ndarray, names: tuple[str, ...]
) -> ComparedSide:
    """Make a side whose rows and columns are the same units."""
    labels = tuple(name if one else "" for name, one in zip(names, there, strict=True))
    places = tuple(str(place) if one else "" for place, one in enumerate(there))
    return ComparedSide(title, weights, there, there, labels, labels, places, places, ATTENDED)


def large(second: bool) -> ComparedSide:
    """Make a side of 60 units, so that it can be zoomed."""
    names = tuple(f"unit {place}" for place in range(60))
    weights = np.eye(60, k=-1 if second else 0, dtype=np.float32)
    places = tuple(str(place) for place in range(60))
    there = np.ones(60, dtype=bool)
    return ComparedSide("large", weights, there, there, names, names, places, places)


mode = st.radio("mode", ("difference", "overlay", "flicker"), horizontal=True)
if st.query_params.get("case") == "large":
    sides = large(second=False), large(second=True)
else:
    everyone = np.ones(5, dtype=bool)
    sides = (
        side("one text", FIRST, THERE, NAMES),
        side("another", SECOND, everyone, (*NAMES[:2], "road", *NAMES[3:])),
    )
if st.button("Choose row 50"):
    st.session_state.row = 50
st.session_state.row = compare_view(
    *sides,
    mode=mode,
    row=st.session_state.get("row"),
    dark=st.context.theme.type == "dark",
    scale="linear",
    key="compare",
)
st.text(f"chosen: {st.session_state.row}")
