"""Ways to say what a head does to the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from components.explore_session import view


@dataclass(frozen=True, slots=True)
class Method:
    """A way to say what a head does to the prediction."""

    short: str
    number: str
    meaning: str


METHODS = {
    "at_position": Method(
        "Knock-out",
        "change without the head",
        "Exact: how the prediction changes where the head puts out 0 at the position of the prediction, or at all "
        "positions where its stack has no such position. "
        "Blue: the prediction rests on the head. Red: it would be clearer without.",
    ),
    "share": Method(
        "Logit share",
        "share of the logit",
        "What the head writes into the logit itself; what it does by way of later layers is theirs. "
        "Red: for the prediction. Blue: against it.",
    ),
    "first_order": Method(
        "Estimate",
        "estimated change",
        "Attribution patching: how the prediction would change where the head puts out 0 at the same position, "
        "estimated from its gradient. Blue: the prediction rests on the head.",
    ),
}


def methods_of(frame: pd.DataFrame) -> list[str]:
    """Name the methods that say something of a stack's heads."""
    return [name for name in METHODS if frame[name].notna().any()]


def method_of(frame: pd.DataFrame) -> str:
    """Return the method that is chosen; the first that says something where that one says nothing."""
    offered, asked = methods_of(frame), view().effect
    return asked if asked in offered else offered[0]
