"""One score of every head, as it goes into the tables of a survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """A score of every head of a stack; NaN where a layer has fewer heads, or nothing counted.

    Shapes: value, chance and counted [layer, head]; halves [2, layer, head].

    Attributes:
        score: its name in the catalogue.
        stack: whose heads.
        value: the mean over all that counted, float64, in the score's unit.
        chance: what a head without a preference would have on the same texts; NaN where that means nothing.
        halves: the value over either half of what was measured on; NaN where it has no halves.
        counted: over how many queries, sequences or tokens, int64.
    """

    score: str
    stack: str
    value: NDArray[np.float64]
    chance: NDArray[np.float64]
    halves: NDArray[np.float64]
    counted: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A score that this model cannot be given, and why, in a sentence for its user."""

    score: str
    reason: str
