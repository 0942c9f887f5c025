"""Cheaper attention, tried on any head of a text of the user's: error against cost."""

from __future__ import annotations

import logging

import pandas as pd
import streamlit as st

from components.panels.learn.source import KEPT
from components.panels.literal import literal
from components.panels.run import PHASES, shown
from components.session import is_dark, owner, view, workbench
from viz.analysis.cheaper import (
    MOST_TOKENS,
    WAYS,
    Exact,
    Tried,
    exact_head,
    settings_of,
    singular_values,
    try_all,
)
from viz.errors import LoupeError
from viz.figures import cost_figure, matrix_figure, spectrum_figure
from viz.models.catalogue import CATALOGUE, DEFAULT, is_available
from viz.service import Analysis, Request

log = logging.getLogger(__name__)

OWN, EXPLORE = "A text of your own", "The result in Explore"
SAMPLE = (
    "The animal didn't cross the street because it was too tired. The street was wide, and the "
    "animal had walked all day without a rest."
)

# The head whose "it" looks at "animal", which Explore opens with too.
FIRST = (3, 1)
STATIC = {"displayModeBar": False, "showTips": False}


@st.fragment
def cheaper_panel() -> None:
    """Try every way on the chosen head, and show one beside the exact pattern."""
    st.markdown(
        "Exact attention computes a weight for every pair of tokens. Each of these ways computes "
        "fewer numbers; here they stand in for the exact pattern of a trained head, without training "
        "it anew. What is far from exact here may still do well in a model that is trained with it."
    )
    analysis = _analysis()
    if analysis is None:
        return
    where = _head(analysis)
    try:
        exact, tried = _tried(analysis, *where)
    except LoupeError as error:
        st.error(f"{literal(error.message)} {literal(error.hint)}")
        return
    if exact.reason:
        st.caption(
            f"Linear and Nystrom attention need queries and keys, and here {literal(exact.reason)}."
        )
    chosen = _choose(exact, tried)
    _beside(analysis, where, exact, chosen)
    _charts(exact, tried, chosen)


def _analysis() -> Analysis | None:
    """Return what is tried on: the result in Explore, or a run of its own."""
    explored = shown()
    if explored is not None:
        source = st.segmented_control(
            "Try it on",
            [OWN, EXPLORE],
            key="learn cheaper source",
            default=OWN,
            required=True,
            persist_state="session",
            label_visibility="collapsed",
        )
        if source == EXPLORE:
            return explored
    here = [
        name for name, entry in CATALOGUE.items() if entry.reads == "text" and is_available(entry)
    ]
    with st.form("learn cheaper form", border=False):
        text = st.text_area(
            "Text", SAMPLE, key="learn cheaper text", height=96, persist_state="session"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            model = st.selectbox(
                "Model",
                here,
                key="learn cheaper model",
                persist_state="session",
                format_func=lambda name: CATALOGUE[name].title,
            )
            st.form_submit_button("Run", type="primary")
    _run(Request(model=model or DEFAULT, text=text))
    kept: Request | None = st.session_state.get("learn cheaper shown")
    return None if kept is None else workbench().result(owner(), kept)


def _run(request: Request) -> None:
    """Run a request; what cannot be run is said, and the result before stays."""
    line = st.empty()

    def progress(phase: str, share: float) -> None:
        start, stop, words = PHASES[phase]
        line.progress(start + (stop - start) * min(1.0, share), words)

    try:
        workbench().analyse(owner(), request, progress)
        st.session_state["learn cheaper shown"] = request
        line.empty()
    except LoupeError as error:
        line.error(f"{literal(error.message)} {literal(error.hint)}{_kept()}")
    except Exception:
        log.exception("The run failed")
        line.error(f"This is a defect in Attention Loupe; the log has its details.{_kept()}")


def _kept() -> str:
    return f" {KEPT}" if "learn cheaper shown" in st.session_state else ""


def _head(analysis: Analysis) -> tuple[str, int, int]:
    """Choose a stack, a layer and a head."""
    stacks = analysis.trace.stacks
    explored = analysis is shown() and view().stack in stacks
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = next(iter(stacks))
        if len(stacks) > 1:
            name = st.selectbox("Stack", list(stacks), key=f"learn stack {analysis.token}") or name
        stack = stacks[name]
        first = (view().layer, view().head) if explored else FIRST
        layer = st.number_input(
            "Layer",
            0,
            stack.layers - 1,
            min(first[0], stack.layers - 1),
            key=f"learn layer {analysis.token} {name}",
            width=140,
        )
        heads = stack.heads(int(layer))
        head = st.number_input(
            "Head",
            0,
            heads - 1,
            min(first[1], heads - 1),
            key=f"learn head {analysis.token} {name} {heads}",
            width=140,
        )
    return name, int(layer), int(head)


def _tried(analysis: Analysis, name: str, layer: int, head: int) -> tuple[Exact, list[Tried]]:
    """Try all ways on a head, once."""
    key = (analysis.token, name, layer, head)
    kept = st.session_state.get("learn tried")
    if kept is None or kept[0] != key:
        with st.spinner(
            f"Trying {len(WAYS)} ways; a pattern of {MOST_TOKENS} tokens takes seconds"
        ):
            exact = exact_head(analysis.trace.stacks[name], layer, head)
            kept = (key, exact, try_all(exact))
        # One at a time: a pattern of 512 tokens and its factors take 8 MB.
        st.session_state["learn tried"] = kept
    return kept[1], kept[2]


def _choose(exact: Exact, tried: list[Tried]) -> Tried:
    """Choose a way and its setting."""
    fitting = [name for name, way in WAYS.items() if way.fits(exact)]
    name = st.segmented_control(
        "Way",
        fitting,
        key="learn way",
        default=fitting[0],
        required=True,
        wrap=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    way = WAYS[name if name in fitting else fitting[0]]
    st.markdown(way.says)
    mine = {one.setting: one for one in tried if one.way == way.name}
    if not way.setting:
        return next(iter(mine.values()))
    options = settings_of(exact)
    setting = st.select_slider(
        way.setting.capitalize(),
        options,
        options[min(2, len(options) - 1)],
        key=f"learn setting {way.name} {options[-1]}",
    )
    return mine[setting]


def _beside(analysis: Analysis, where: tuple[str, int, int], exact: Exact, chosen: Tried) -> None:
    """Show the exact pattern, what stands in for it, and what lies between."""
    stack = analysis.trace.stacks[where[0]]
    weights = WAYS[chosen.way].attend(exact, chosen.setting)
    apart = weights - exact.weights
    largest = float(exact.weights.max()) or 1.0
    scale = st.segmented_control(
        "Colour scale",
        ["linear", "log"],
        key="learn scale",
        default="linear",
        required=True,
        persist_state="session",
        help="The logarithm shows small weights beside a large one.",
        format_func=lambda name: f"{name} colour scale",
        label_visibility="collapsed",
    )
    pictures = (
        ("Exact", exact.weights, "weights", largest),
        (f"With {chosen.way}", weights, "weights", largest),
        (
            "Difference: blue too little, red too much",
            apart,
            "difference",
            float(apart.abs().max()) or 1.0,
        ),
    )
    for place, (title, values, kind, most) in zip(st.columns(3), pictures, strict=True):
        with place:
            st.markdown(f"**{title}**")
            st.plotly_chart(
                matrix_figure(
                    values.numpy(),
                    stack.queries.labels,
                    stack.keys.labels,
                    kind=kind,  # type: ignore[arg-type]
                    largest=most,
                    dark=is_dark(),
                    scale="log" if scale == "log" else "linear",
                ),
                key=f"learn beside {title.split()[0]}",
                config=STATIC,
            )
    st.markdown(
        f"**{chosen.cost:.2f} x** the multiplications of exact attention; **{chosen.misplaced:.1%}** of "
        f"a row's weight lies elsewhere; the error of the pattern is **{chosen.error:.3g}** "
        "(Frobenius, of its size)."
    )


def _charts(exact: Exact, tried: list[Tried], chosen: Tried) -> None:
    """Draw error against cost, and the singular values."""
    st.subheader("Error against cost", anchor=False)
    st.caption("Left is cheaper, down is nearer. The circle is what is shown above.")
    st.plotly_chart(
        cost_figure(tried, chosen=chosen, dark=is_dark()), key="learn cost", config=STATIC
    )
    with st.expander("The same as a table"):
        st.dataframe(
            pd.DataFrame(
                [(one.way, one.setting, one.cost, one.misplaced, one.error) for one in tried],
                columns=["way", "setting", "cost", "weight elsewhere", "error"],
            ),
            hide_index=True,
        )
    values, errors = singular_values(exact)
    st.subheader("How low its rank is", anchor=False)
    st.caption(
        "The fewer singular values are large, the better a matrix of low rank stands in for the "
        "pattern: no matrix of rank k comes nearer than the curve on the right."
    )
    rank = chosen.setting if chosen.way == "low rank" else None
    st.plotly_chart(
        spectrum_figure(values.numpy(), errors.numpy(), rank=rank, dark=is_dark()),
        key="learn spectrum",
        config=STATIC,
    )
