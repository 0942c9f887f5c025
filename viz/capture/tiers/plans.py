"""In which ways a model's attention may show, the best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from viz.capture.tiers.attention_implementations import EAGER_NAME, given_ways, ways_to_try
from viz.models.model import Plan


def plans_to_try(module: nn.Module, last: Plan | None = None) -> Iterator[Plan]:
    """Name the plans for a pass: the last one that held, then all, the best first.

    Those that change what the model computes with are to be proven against the model as it was given.
    """
    given = given_ways(module)
    if last is not None and last.given == given:
        yield last
        if last != (wide := replace(last, by_kernel=frozenset(), registry=False)):
            yield wide
    ways = ways_to_try(module)
    for way in ways:
        if way != EAGER_NAME:
            yield Plan(given, way)
    # Weights that are made by no softmax that is seen may be returned all the same, where a model does
    # not fail on being asked.
    if given:
        eager = EAGER_NAME if EAGER_NAME in ways else None
        yield Plan(given, eager, asked=True)
        if eager:
            yield Plan(given, eager)
