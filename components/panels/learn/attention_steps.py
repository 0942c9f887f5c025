"""Self-attention in steps: the formula, the matrices, one sentence, and a switch that breaks it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.canvas.matrices import Grid, Link, matrices
from components.explore_session import is_dark
from components.panels.learn.attention_flow_diagram import flow
from components.panels.learn.learn_url import go, note, place_control, touched
from components.panels.learn.lesson_input import source_panel
from components.panels.learn.step_link import receive, send
from components.panels.learn.step_switches import (
    BREAKS,
    LABELS,
    applies,
    broken_by,
    mend,
    switch_panel,
    switches_of,
)
from components.panels.learn.step_texts import BROKEN, MEASURES, STEPS
from components.session_state import recall, remember
from viz.analysis.worked_example import MOST_HEADS, USUAL, Lesson, Worked, work
from viz.analysis.worked_example_measures import measures, output_change

PER_HEAD = ("scores", "scale", "mask", "softmax", "sum")

# Less than this is rounding.
NOTHING = 1e-9


def steps_panel() -> None:
    """Walk through the steps, on a text or on numbers."""
    receive()
    lesson = source_panel()
    switches = switches_of(lesson)
    worked = work(lesson, switches)
    _complain(lesson)
    send()
    current = place_control("step", "Step", list(STEPS), lambda name: STEPS[name].title)
    picture, diagram = st.columns([3.2, 1], gap="medium")
    with picture:
        _step(worked, current)
        if switches != USUAL:
            _comparison(worked)
    with diagram:
        broken = frozenset(BREAKS[name] for name in broken_by(switches))
        st.mermaid_chart(
            flow(current, broken, dark=is_dark()),
            alt=f"The flow of self-attention; the open step is {STEPS[current].node}.",
        )


def _complain(lesson: Lesson) -> None:
    """Note what the address asks for that these numbers or this text do not have."""
    problems = []
    asked = st.query_params.get("head", "")
    if asked.isdecimal() and lesson.heads <= int(asked) < MOST_HEADS:
        there = f"heads 0 to {lesson.heads - 1}" if lesson.heads > 1 else "one head"
        problems.append(
            f"The link's head {asked} is not valid: this has {there}, so {lesson.heads - 1} is shown."
        )
    broken = set(st.query_params.get("broken", "").split(",")) & set(LABELS)
    idle = [name for name in LABELS if name in broken and not applies(name, lesson)]
    if idle:
        problems.append(
            f"The link's broken {','.join(idle)!r} breaks nothing here, so it is as usual."
        )
    note("steps idle", problems)


def _step(worked: Worked, name: str) -> None:
    """Draw one step."""
    step, names = STEPS[name], list(STEPS)
    with st.container(horizontal=True, vertical_alignment="center", key="step_row"):
        st.subheader(f"{names.index(name) + 1}. {step.node}", anchor=False)
        for label, beside in (("Back", -1), ("Next", 1)):
            target = names.index(name) + beside
            st.button(
                label,
                key=f"learn {label}",
                disabled=not 0 <= target < len(names),
                on_click=go,
                args=("step", names[max(0, min(target, len(names) - 1))]),
            )
    st.latex(step.formula)
    st.markdown(step.sentence)
    switch_panel(worked, name)
    head = _head(worked) if name in PER_HEAD else 0
    DRAWN[name](worked, head)


def _head(worked: Worked) -> int:
    """Choose a head where there are several."""
    heads = worked.attention.heads
    if heads == 1:
        return 0
    remember("learn head", min(recall("learn head", 0), heads - 1))
    chosen = st.segmented_control(
        "Head",
        range(heads),
        key="learn head",
        required=True,
        persist_state="session",
        format_func=lambda head: f"head {head}",
        label_visibility="collapsed",
        on_change=touched,
    )
    return chosen or 0


def _comparison(worked: Worked) -> None:
    """Show what the broken computation comes to, beside the usual one."""
    usual = work(worked.lesson)
    names = broken_by(worked.switches)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Broken on purpose: {', '.join(BROKEN[name][0] for name in names)}**")
            st.button("Mend", on_click=mend)
        for name in names:
            st.markdown(BROKEN[name][1])
        head = min(recall("learn head", 0), worked.attention.heads - 1)
        beside = min(head, usual.attention.heads - 1)
        matrices(
            [
                _pattern(f"{_of('A', usual, beside)}, usual", usual, beside),
                _pattern(f"{_of('A', worked, head)}, now", worked, head),
            ],
            ["→"],
            link="none",
            first=_first(worked),
            dark=is_dark(),
            key="learn beside",
        )
        if usual.attention.heads > 1:
            st.caption(
                f"Of head {beside}; *Scores* to *Sum* let you choose another."
                if worked.attention.heads > 1
                else f"Head {beside} of {usual.attention.heads} before, the only one now."
            )
        change = output_change(usual, worked)
        if change is not None:
            st.markdown(f"The output moves by **{change:.0%}** of its size.")
        _measures(usual, worked)


def _measures(usual: Worked, worked: Worked) -> None:
    before, after = asdict(measures(usual)), asdict(measures(worked))
    table = pd.DataFrame(
        [
            (words, _rounded(before[name]), _rounded(after[name]))
            for name, words in MEASURES.items()
        ],
        columns=["over all heads and tokens", "usual", "now"],
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            column: st.column_config.NumberColumn(format="%.3g") for column in ("usual", "now")
        },
    )


def _rounded(number: float) -> float:
    return 0.0 if abs(number) < NOTHING else number


def _tokens(worked: Worked, _: int) -> None:
    lesson, labels = worked.lesson, worked.lesson.labels
    tokens = Grid("X", numpy(worked.tokens), labels)
    if lesson.positions is None or not worked.switches.positions:
        _draw(worked, [tokens], [], "none", "tokens")
        return
    embeddings = Grid("E", numpy(lesson.embeddings), labels)
    positions = Grid("P", numpy(lesson.positions), [str(place) for place in range(len(labels))])
    _draw(worked, [embeddings, positions, tokens], ["+", "="], "sum", "tokens")


def _projections(worked: Worked, _: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    made = (done.query, done.key, done.value)
    for name, (weight, _bias), heads in zip("QKV", worked.attention.matrices(), made, strict=True):
        width = heads.shape[-1]
        group = width if len(heads) > 1 else 0
        joined = heads.transpose(0, 1).flatten(1)
        given = numpy(weight.T)
        grids = [
            Grid("X", numpy(worked.tokens), labels),
            Grid(f"W_{name}", given, _numbered(len(given), worked), group=group),
            Grid(name, numpy(joined), labels, group=group),
        ]
        _draw(worked, grids, ["·", "="], "product", f"projections {name}")
    if worked.attention.heads > 1:
        st.caption(
            f"The line parts the {worked.attention.heads} heads: each has "
            f"{worked.attention.d_head} of the columns to itself."
        )


def _scores(worked: Worked, head: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    key = numpy(done.key[head]).T
    grids = [
        Grid(_of("Q", worked, head), numpy(done.query[head]), labels),
        Grid(_of("K", worked, head) + "ᵀ", key, _numbered(len(key), worked), labels),
        Grid("S", numpy(done.scores[head]), labels, labels),
    ]
    _draw(worked, grids, ["·", "="], "product", "scores")


def _scale(worked: Worked, head: int) -> None:
    labels, done, d_head = worked.lesson.labels, worked.steps, worked.attention.d_head
    root = f"÷ √{d_head}" if worked.switches.scaled else "÷ 1"
    temperature = worked.switches.temperature
    words = root if temperature == 1 else f"{root} ÷ {temperature:g}"
    grids = [
        Grid("S", numpy(done.scores[head]), labels, labels),
        Grid("S scaled", numpy(done.scaled[head]), labels, labels),
    ]
    st.caption(f"d_k is {d_head} here, √d_k is {math.sqrt(d_head):.4g}.")
    _draw(worked, grids, [f"{words} ="], "scale", "scale", words=words)


def _mask(worked: Worked, head: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    grids = [
        Grid("S scaled", numpy(done.scaled[head]), labels, labels),
        Grid("S masked", numpy(done.masked[head]), labels, labels),
    ]
    _draw(worked, grids, ["→"], "mask", "mask")


def _softmax(worked: Worked, head: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    grids = [
        Grid("S masked", numpy(done.masked[head]), labels, labels),
        _pattern(_of("A", worked, head), worked, head),
    ]
    _draw(worked, grids, ["→"], "softmax", "softmax")


def _sum(worked: Worked, head: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    grids = [
        _pattern(_of("A", worked, head), worked, head),
        Grid(_of("V", worked, head), numpy(done.value[head]), labels),
        Grid(_of("O", worked, head), numpy(done.heads[head]), labels),
    ]
    _draw(worked, grids, ["·", "="], "product", "sum")


def _join(worked: Worked, _: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    heads = [Grid(f"O{_low(index)}", numpy(one), labels) for index, one in enumerate(done.heads)]
    group = worked.attention.d_value if len(heads) > 1 else 0
    joined = Grid("joined", numpy(done.joined), labels, group=group)
    _draw(worked, [*heads, joined], ["|"] * (len(heads) - 1) + ["="], "join", "join")


def _output(worked: Worked, _: int) -> None:
    labels, done = worked.lesson.labels, worked.steps
    joined = Grid("joined", numpy(done.joined), labels)
    if not worked.attention.output_projection:
        _draw(worked, [Grid("Y", numpy(done.output), labels)], [], "none", "output")
        return
    weight = numpy(worked.attention.output.weight.T)
    grids = [
        joined,
        Grid("W_O", weight, _numbered(len(weight), worked)),
        Grid("Y", numpy(done.output), labels),
    ]
    _draw(worked, grids, ["·", "="], "product", "output")


DRAWN: dict[str, Callable[[Worked, int], None]] = {
    "tokens": _tokens,
    "projections": _projections,
    "scores": _scores,
    "scale": _scale,
    "mask": _mask,
    "softmax": _softmax,
    "sum": _sum,
    "join": _join,
    "output": _output,
}


def _draw(
    worked: Worked, grids: list[Grid], signs: list[str], link: Link, key: str, *, words: str = ""
) -> None:
    matrices(
        grids,
        signs,
        link=link,
        words=words,
        first=_first(worked),
        dark=is_dark(),
        key=f"learn matrices {key}",
    )


def _pattern(name: str, worked: Worked, head: int) -> Grid:
    """Name the weights of one head, grey where the mask forbids to look."""
    labels, done = worked.lesson.labels, worked.steps
    return Grid(
        name,
        numpy(done.weights[head]),
        labels,
        labels,
        weights=True,
        attended=None if done.mask is None else torch.isfinite(done.masked[head]).numpy(),
    )


def numpy(matrix: Tensor) -> NDArray[np.float64]:
    """Take a matrix to where figures want it."""
    return matrix.detach().double().numpy()


def _first(worked: Worked) -> int:
    """Say what rows and columns are counted from: from 1 beside x1, x2, ...; from 0 as tokens are."""
    return 0 if worked.lesson.positions is not None else 1


def _numbered(count: int, worked: Worked) -> list[str]:
    return [str(number + _first(worked)) for number in range(count)]


def _of(name: str, worked: Worked, head: int) -> str:
    """Name a matrix of one head, by its number where there are several."""
    return name + _low(head) if worked.attention.heads > 1 else name


def _low(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))
