"""Effects as whoever shows them needs them, wherever the pass is kept that they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import pandas as pd
from torch import Tensor

from viz.capture.stack import Index
from viz.capture.trace import Trace
from viz.effects.direct_attribution import DirectAttribution
from viz.effects.knock_out import KnockOuts
from viz.effects.prediction_effects import WeightKind
from viz.effects.target import Objective
from viz.errors import LoupeError

Answer = TypeVar("Answer")


class FoundEffects(Protocol):
    """What heads, weights and tokens do to one prediction; each part as of `viz.effects.Effects`."""

    @property
    def trace(self) -> Trace:
        """The pass, with its exact weights."""

    @property
    def objective(self) -> Objective:
        """The prediction."""

    @property
    def value(self) -> float:
        """Of the prediction, with everything."""

    @property
    def heads(self) -> pd.DataFrame:
        """One row a head, the largest effect first."""

    @property
    def direct(self) -> DirectAttribution | None:
        """Shares of the logit; None where it cannot be divided."""

    @property
    def refused(self) -> LoupeError | None:
        """Why it cannot."""

    @property
    def at_position(self) -> KnockOuts | None:
        """The prediction without each head; None where that was not found out."""

    def weights(
        self,
        kind: WeightKind,
        layer: int,
        head: int,
        rows: Index = None,
        columns: Index = None,
        *,
        stack: str = "self",
    ) -> Tensor:
        """Compute a part of a head's pattern, float32 [row, column], as weights or as what they do."""

    def ask(self, question: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Answer a question where the effects are: call a function of a module with them, and with what is given."""
