"""Why attention and not recurrence or convolution: measured here, at the press of a button."""

from __future__ import annotations

import streamlit as st

from components.explore_session import is_dark
from components.panels.plotly_settings import PLOTLY
from components.session_state import recall, remember
from viz.analysis.recurrence_vs_attention import (
    HEADS,
    KERNEL,
    KINDS,
    LENGTHS,
    WIDTH,
    Measured,
    growth,
    measure,
)
from viz.figures import Curve, growth_figure

KEPT = "learn measured"

# After the paper's table 1 and section 4: a convolution without gaps, and projections counted.
THEORY = """
| layer | path | operations | in turn |
|---|---|---|---|
| LSTM | n | n·d² | n |
| convolution | 2n / (k−1) | k·n·d² | 1 |
| attention | 1 | n²·d + n·d² | 1 |
"""


def recurrence_panel() -> None:
    """Measure three layers at growing length, and plot what was measured."""
    st.markdown(
        "Three ways to let tokens hear of each other. In an **LSTM** what the first token says is "
        "handed on from token to token; through a **convolution** it spreads by one neighbour a "
        "layer; by **attention** any token attends to any other at once. The price is that attention "
        "compares all pairs."
    )
    st.markdown(THEORY)
    st.caption(
        "n tokens of width d, a kernel of k. Path: steps between the first and the last token, where a "
        "convolution looks to both sides. In turn: steps that cannot be done at once. "
        f"Measured with layers of width {WIDTH}, {HEADS} heads, a kernel of {KERNEL} that looks to both "
        f"sides, and texts of {LENGTHS[0]} to {LENGTHS[-1]:,} tokens, on this machine's processor. "
        "After Vaswani et al. 2017, table 1 and section 4, with projections counted."
    )
    if st.button("Measure on this machine", type="primary", help="Takes some seconds."):
        _measure()
    found: list[Measured] | None = recall(KEPT)
    if found is not None:
        _charts(found)


def _measure() -> None:
    line, total, found = st.progress(0.0, "Measuring"), len(LENGTHS) * len(KINDS), []
    for one in measure():
        found.append(one)
        line.progress(len(found) / total, f"{one.kind} at {one.length:,} tokens")
    remember(KEPT, found)
    line.empty()


def _charts(found: list[Measured]) -> None:
    by_kind: dict[str, list[Measured]] = {
        kind: [one for one in found if one.kind == kind] for kind in KINDS
    }
    counted = {
        kind: growth([one.length for one in mine], [float(one.operations) for one in mine])
        for kind, mine in by_kind.items()
    }
    path, operations = st.columns(2, gap="medium")
    with path:
        st.subheader("Path", anchor=False)
        st.caption("Steps until the last token knows of the first, counted by following a mark.")
        curves = {
            kind: Curve(
                kind,
                [one.length for one in mine if one.path is not None],
                [one.path for one in mine if one.path is not None],
            )
            for kind, mine in by_kind.items()
        }
        st.plotly_chart(
            growth_figure(curves, name="steps", dark=is_dark()), key="learn path", config=PLOTLY
        )
    with operations:
        st.subheader("Operations", anchor=False)
        st.caption("Multiplications and additions of one layer, counted while it ran.")
        curves = {
            kind: Curve(kind, [one.length for one in mine], [one.operations for one in mine])
            for kind, mine in by_kind.items()
        }
        st.plotly_chart(
            growth_figure(
                {**curves, **_comparisons(by_kind["attention"])}, name="operations", dark=is_dark()
            ),
            key="learn operations",
            config=PLOTLY,
        )
    st.markdown(
        f"Twice the tokens take {counted['LSTM']:.2f} times the operations of the LSTM, "
        f"{counted['convolution']:.2f} times those of the convolution, and "
        f"**{counted['attention']:.2f} times those of attention: quadratic growth**, which is 4 times at "
        "every doubling. It is not exponential: that would be a curve that bends up and leaves the "
        "picture, as the dotted one does."
    )
    st.markdown(_crossing(by_kind))
    st.subheader("Time", anchor=False)
    st.caption(
        "Of one layer, the quickest of a few runs. What others do on this machine shows; short texts "
        "say more of what a call costs than of what it computes."
    )
    curves = {
        kind: Curve(kind, [one.length for one in mine], [one.seconds for one in mine])
        for kind, mine in by_kind.items()
    }
    st.plotly_chart(
        growth_figure(curves, name="time", unit="s", dark=is_dark()),
        key="learn time",
        config=PLOTLY,
    )


def _comparisons(measured: list[Measured]) -> dict[str, Curve]:
    """Draw n^2 through the longest that was measured, and an exponential through the shortest."""
    lengths = [one.length for one in measured]
    last, first = measured[-1], measured[0]
    square = [last.operations * (length / last.length) ** 2 for length in lengths]
    # Doubles with as many tokens as the shortest text has.
    fine = [first.length * (1 + step / 8) for step in range(8 * 16)]
    powers = [first.operations * 2 ** (length / first.length - 1) for length in fine]
    return {
        "square": Curve("n², for comparison", lengths, square, drawn="dash"),
        "power": Curve(
            f"exponential: doubles every {first.length} tokens",
            [round(length) for length in fine],
            powers,
            drawn="dot",
        ),
    }


def _crossing(by_kind: dict[str, list[Measured]]) -> str:
    """Say from which length on attention takes more operations than the LSTM."""
    pairs = zip(by_kind["attention"], by_kind["LSTM"], strict=True)
    within = [ours.length for ours, theirs in pairs if ours.operations <= theirs.operations]
    if not within:
        return ""
    return (
        f"Up to {within[-1]} tokens attention takes no more operations than the LSTM: while a text is "
        "no longer than twice the width of its tokens, comparing all pairs is the smaller part."
    )
