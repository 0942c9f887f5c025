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


# What is sent of effects: all that pages show at once.
SENT = ("trace", "objective", "value", "heads", "direct", "refused", "at_position")


def sent_of(found: Effects) -> dict[str, Any]:
    """Return what is sent of effects, by the names that it has in `DistantEffects`."""
    return {name: getattr(found, name) for name in SENT}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DistantEffects:
    """Effects as pages see them; those named in `SENT` as of `viz.effects.FoundEffects`.

    Attributes:
        reference: which ones.
        source: asks for the rest.
        owner: of the run.
        request: of the run.
    """

    reference: EffectsReference
    source: EffectsSource
    owner: str
    request: Request
    trace: Trace
    objective: Objective
    value: float
    heads: pd.DataFrame
    direct: DirectAttribution | None
    refused: LoupeError | None
    at_position: KnockOuts | None

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
