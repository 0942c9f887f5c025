"""What a worked lesson shows, as numbers that tell the usual computation from a broken one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.analysis.worked_example import Worked, reversed_before_last, work


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers of a worked lesson: means over heads and rows, but for `asymmetry` and `order`.

    Attributes:
        entropy_nats: of a row of weights: 0 looks at one token, log(tokens) at all alike.
        largest: the largest weight of a row.
        ahead: weight on tokens that come later.
        itself: weight of a token on itself.
        asymmetry: largest |score(a, b) - score(b, a)|: 0 where looking is always mutual.
        between_heads: how much of the weight two heads put elsewhere than each other; 0 for one head.
        order: how much the last token's output moves when those before it come in reverse order.
    """

    entropy_nats: float
    largest: float
    ahead: float
    itself: float
    asymmetry: float
    between_heads: float
    order: float


def measures(worked: Worked) -> Measures:
    """Measure a worked lesson; NaN where a number was not finite."""
    weights = worked.steps.weights  # [head, query, key]
    entropy = -torch.special.xlogy(weights, weights).sum(-1)
    scores = worked.steps.scores
    turned = work(reversed_before_last(worked.lesson), worked.switches)
    moved = turned.steps.output[-1] - worked.steps.output[-1]
    return Measures(
        entropy_nats=float(entropy.mean()),
        largest=float(weights.amax(-1).mean()),
        ahead=float(weights.triu(1).sum(-1).mean()),
        itself=float(weights.diagonal(dim1=-2, dim2=-1).mean()),
        asymmetry=float((scores - scores.transpose(-1, -2)).abs().max()),
        between_heads=_between(weights),
        order=float(moved.abs().max()),
    )


def output_change(one: Worked, other: Worked) -> float | None:
    """Say how far two outputs lie apart, as a share of the first's size; None for other shapes."""
    first, second = one.steps.output, other.steps.output
    if first.shape != second.shape:
        return None
    size = float(first.norm())
    return float((first - second).norm()) / size if size else float((first - second).norm())


def _between(weights: Tensor) -> float:
    """Average how much of a row's weight two heads put elsewhere, over all pairs of heads."""
    heads = len(weights)
    if heads == 1:
        return 0.0
    apart = (weights[:, None] - weights[None]).abs().sum(-1).mean(-1) / 2  # [head, head]
    return float(apart.sum() / (heads * (heads - 1)))
