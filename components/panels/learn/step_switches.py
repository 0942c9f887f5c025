"""The switches that break a step of self-attention on purpose."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from components.panels.learn.learn_url import touched
from components.panels.learn.lesson_state import TEMPERATURES
from components.panels.learn.step_link import switch_key
from components.session_state import recall, remember
from viz.analysis.worked_example import USUAL, Lesson, Switches, Worked

# Switch -> the step that it breaks.
BREAKS = {
    "positions": "tokens",
    "projections": "projections",
    "scaled": "scale",
    "masked": "mask",
    "temperature": "softmax",
    "several": "join",
    "output": "output",
}
LABELS = {
    "positions": "Leave the positions out",
    "projections": "Use the tokens themselves: Q = K = V = X",
    "scaled": "Leave the scale out",
    "masked": "Leave the mask out",
    "several": "Use one head only",
    "output": "Leave W_O out",
}


def applies(name: str, lesson: Lesson) -> bool:
    """Whether a lesson has what a switch leaves out."""
    return {
        "positions": lesson.positions is not None,
        "projections": True,
        "scaled": True,
        "masked": lesson.causal,
        "temperature": True,
        "several": lesson.heads > 1,
        "output": lesson.output is not None,
    }[name]


def switches_of(lesson: Lesson) -> Switches:
    """Read all switches, those of steps that are not open too."""
    kept = {
        name: not (recall(switch_key(name), False) and applies(name, lesson)) for name in LABELS
    }
    return Switches(**kept, temperature=recall(switch_key("temperature"), 1.0))


def switch_panel(worked: Worked, step: str) -> None:
    """Offer to break the open step."""
    name = next((switch for switch, broken in BREAKS.items() if broken == step), None)
    if name is None:
        return
    if not applies(name, worked.lesson):
        st.caption(MISSING[name])
    elif name == "temperature":
        st.slider(
            "Temperature: scores are divided by it",
            min_value=TEMPERATURES[0],
            max_value=TEMPERATURES[1],
            step=0.1,
            key=switch_key(name),
            persist_state="session",
            on_change=touched,
        )
    else:
        st.toggle(
            f":material/build: {LABELS[name]}",
            key=switch_key(name),
            persist_state="session",
            on_change=touched,
        )


MISSING = {
    "positions": "These are numbers, so X is given as it is: no positions are added.",
    "masked": "There is no mask here, as in the textbook: every token may attend to all.",
    "several": "There is one head here.",
    "output": "There is no W_O here: the joined heads are the output.",
}


def broken_by(switches: Switches) -> list[str]:
    """Name the switches that are turned."""
    return [
        field.name
        for field in fields(Switches)
        if getattr(switches, field.name) != getattr(USUAL, field.name)
    ]


def mend() -> None:
    """Turn all switches back."""
    touched()
    for name in LABELS:
        remember(switch_key(name), False)
    remember(switch_key("temperature"), 1.0)
