"""The example that textbooks work through, to the end, and the slips that are made in it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.canvas.matrices import Grid, largest_of, matrices
from components.explore_session import is_dark
from components.panels.learn.attention_steps import numpy
from viz.analysis.common_mistakes import Slip, common_slips, right
from viz.analysis.worked_example import Worked, textbook_lesson, work


def textbook_panel() -> None:
    """Work the example, then each slip beside the right result."""
    worked = work(textbook_lesson())
    st.markdown(
        "Three tokens of width 3, one head, no mask. Point at any number to see how it was made; to "
        "change the numbers, choose *Numbers* in *Step by step*."
    )
    _worked(worked)
    st.subheader("Common slips", anchor=False)
    st.markdown("The same numbers once more, each time with one thing done wrong.")
    good = right(worked.lesson)
    slips = common_slips(worked.lesson)
    _overview(good, slips)
    for number, slip in enumerate(slips):
        _slip(slip, good, f"learn slip {number}")


def _worked(worked: Worked) -> None:
    """Show every matrix of the example."""
    lesson, done = worked.lesson, worked.steps
    labels, columns = lesson.labels, list("123")
    tokens = Grid("X", numpy(lesson.embeddings), labels)
    projected = (
        ("Q", lesson.query, done.query),
        ("K", lesson.key, done.key),
        ("V", lesson.value, done.value),
    )
    for place, (name, weight, made) in zip(st.columns(3), projected, strict=True):
        with place:
            st.latex(f"{name} = X W_{name}")
            grids = [
                tokens,
                Grid(f"W_{name}", numpy(weight), columns),
                Grid(name, numpy(made[0]), labels),
            ]
            matrices(
                grids,
                ["·", "="],
                link="product",
                first=1,
                dark=is_dark(),
                key=f"learn textbook {name}",
            )
    query, key, value = (numpy(part[0]) for part in (done.query, done.key, done.value))
    scores, scaled = numpy(done.scores[0]), numpy(done.scaled[0])
    weights, output = numpy(done.weights[0]), numpy(done.output)
    left, right_side = st.columns(2)
    with left:
        st.latex(r"S = QK^\top")
        grids = [
            Grid("Q", query, labels),
            Grid("Kᵀ", key.T, columns, labels),
            Grid("S", scores, labels, labels),
        ]
        matrices(
            grids, ["·", "="], link="product", first=1, dark=is_dark(), key="learn textbook scores"
        )
    with right_side:
        st.latex(r"\frac{S}{\sqrt{3}}")
        grids = [Grid("S", scores, labels, labels), Grid("S scaled", scaled, labels, labels)]
        matrices(
            grids,
            ["÷ √3 ="],
            link="scale",
            words="÷ √3",
            first=1,
            dark=is_dark(),
            key="learn textbook scaled",
        )
    with left:
        st.latex(r"A = \operatorname{softmax}\!\left(\frac{S}{\sqrt{3}}\right)")
        grids = [
            Grid("S scaled", scaled, labels, labels),
            Grid("A", weights, labels, labels, weights=True),
        ]
        matrices(
            grids, ["→"], link="softmax", first=1, dark=is_dark(), key="learn textbook weights"
        )
    with right_side:
        st.latex(r"Y = AV")
        grids = [
            Grid("A", weights, labels, labels, weights=True),
            Grid("V", value, labels),
            Grid("Y", output, labels),
        ]
        matrices(
            grids, ["·", "="], link="product", first=1, dark=is_dark(), key="learn textbook output"
        )
    rows = "; ".join(
        f"{label}: ({', '.join(f'{number:.4f}' for number in row)})"
        for label, row in zip(labels, output, strict=True)
    )
    st.markdown(f"The output, to four places: {rows}.")


def _overview(good: Slip, slips: list[Slip]) -> None:
    rows = [
        (
            slip.name,
            ", ".join(f"{number:.3g}" for number in slip.row_sums[0].tolist()),
            ", ".join(f"{number:.3f}" for number in slip.output[0].tolist()),
            float((slip.output - good.output).abs().max()),
        )
        for slip in (good, *slips)
    ]
    names = [
        "what was done",
        "rows of weights sum to",
        "output of x1",
        "largest error of the output",
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=names),
        hide_index=True,
        column_config={names[-1]: st.column_config.NumberColumn(format="%.3g")},
    )


def _slip(slip: Slip, good: Slip, key: str) -> None:
    """Show one slip beside the right result."""
    labels = [f"x{row + 1}" for row in range(slip.output.shape[0])]
    with st.container(border=True):
        st.markdown(f"**{slip.name}.** {slip.why}")
        both = [
            [
                # What stands for weights here need not lie between 0 and 1.
                Grid(f"{title}: weights", numpy(one.weights[0]), labels, labels, _are_shares(one)),
                Grid(f"{title}: output", numpy(one.output), labels),
            ]
            for one, title in ((slip, "Slip"), (good, "Right"))
        ]
        for place, one, grids in zip(st.columns(2), (slip, good), both, strict=True):
            with place:
                st.latex(one.formula)
                matrices(
                    grids,
                    [""],
                    link="none",
                    first=1,
                    largest=largest_of([*both[0], *both[1]]),
                    dark=is_dark(),
                    key=f"{key} {grids[0].name}",
                )


def _are_shares(slip: Slip) -> bool:
    return bool(((slip.weights >= 0) & (slip.weights <= 1)).all())
