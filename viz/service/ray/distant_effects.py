"""Effects whose pass and gradients are in a replica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pandas as pd
from torch import Tensor

from viz.capture.stack import Index
from viz.capture.trace import Trace
from viz.effects import DirectAttribution, Effects, KnockOuts, Objective, WeightKind
from viz.errors import LoupeError
from viz.service.ray.references import EffectsReference
from viz.service.run_result import Request

Answer = TypeVar("Answer")


class EffectsSource(Protocol):
    """Asks about effects where they are."""

    def ask_effects(
        self,
        effects: DistantEffects,
        question: Callable[..., Answer],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Answer:
        """Call a function with the effects; an option `progress` is called here."""


@dataclass(frozen=True, slots=True)
class EffectsCard:
    """What is sent of effects: all that pages show at once.

    Attributes: as of `viz.effects.Effects`.
    """

    trace: Trace
    objective: Objective
    value: float
    heads: pd.DataFrame
    direct: DirectAttribution | None
    refused: LoupeError | None
    at_position: KnockOuts | None


def card_of(found: Effects) -> EffectsCard:
    """Return what is sent of effects."""
    return EffectsCard(
        found.trace,
        found.objective,
        found.value,
        found.heads,
        found.direct,
        found.refused,
        found.at_position,
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DistantEffects:
    """Effects as pages see them; see `viz.effects.FoundEffects`.

    Attributes:
        reference: which ones.
        card: what was sent of them.
        source: asks for the rest.
        owner: of the run.
        request: of the run.
    """

    reference: EffectsReference
    card: EffectsCard
    source: EffectsSource
    owner: str
    request: Request

    @property
    def trace(self) -> Trace:
        """The pass; its layers are distant, too."""
        return self.card.trace

    @property
    def objective(self) -> Objective:
        """The prediction."""
        return self.card.objective

    @property
    def value(self) -> float:
        """Of the prediction, with everything."""
        return self.card.value

    @property
    def heads(self) -> pd.DataFrame:
        """One row a head, the largest effect first."""
        return self.card.heads

    @property
    def direct(self) -> DirectAttribution | None:
        """Shares of the logit; None where it cannot be divided."""
        return self.card.direct

    @property
    def refused(self) -> LoupeError | None:
        """Why it cannot."""
        return self.card.refused

    @property
    def at_position(self) -> KnockOuts | None:
        """The prediction without each head; None where that was not found out."""
        return self.card.at_position

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
        """Compute a part of a head's pattern; see `Effects.weights`."""
        return self.ask(Effects.weights, kind, layer, head, rows, columns, stack=stack)

    def ask(self, question: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Answer a question where the effects are; see `FoundEffects.ask`."""
        return self.source.ask_effects(self, question, args, options)
