"""One head's exact pattern and what it was made of, for cheaper ways to be held against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.stack import Stack
from viz.errors import BudgetError

# The singular values of larger patterns take seconds.
MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Exact:
    """One head's exact pattern, and what it was made of; float64.

    Attributes:
        weights: [query, key]; a row sums to 1, to less beside a sink, to 0 for padding.
        attended: where a query may look, [query, key].
        query: [query, d], or None where the softmax saw more than queries and keys, or nobody knows.
        key: [key, d], or None likewise.
        scale: what scores are multiplied with.
        reason: why there are no queries and keys; empty where there are.
        factors: the singular value decomposition of the weights, which takes longest to find.
    """

    weights: Tensor
    attended: Tensor
    query: Tensor | None
    key: Tensor | None
    scale: float
    reason: str
    factors: tuple[Tensor, Tensor, Tensor]

    @property
    def square(self) -> bool:
        """Whether queries and keys are as many, so that a window is one around the diagonal."""
        return self.weights.shape[0] == self.weights.shape[1]


def exact_head(stack: Stack, layer: int, head: int) -> Exact:
    """Take one head out of a trace.

    Raises:
        ShapeError: there is no such layer or head.
        BudgetError: the pattern is too large.
    """
    record = stack.record_with(layer, head)
    if max(record.shape) > MOST_TOKENS:
        raise BudgetError(
            f"The pattern is {record.shape[0]:,} x {record.shape[1]:,}; cheaper ways are tried on up "
            f"to {MOST_TOKENS}.",
            "Run it on a shorter text.",
        )
    weights = stack.weights(layer, head).cpu().double()
    attended = stack.attended(layer, head).cpu()
    if not isinstance(record, RecordedLayer):
        return exact_of(weights, attended, reason="the model told its weights alone")
    more = {
        "a position bias": record.bias,
        "a softcap": record.softcap,
        "sinks": record.sinks,
    }
    beyond = [name for name, part in more.items() if part is not None]
    if beyond:
        return exact_of(weights, attended, reason=f"its softmax saw {' and '.join(beyond)} too")
    shared = record.heads // record.key.shape[0]
    query, key = (
        part.detach().cpu().double() for part in (record.query[head], record.key[head // shared])
    )
    return exact_of(weights, attended, query, key, scale=record.scale)


def exact_of(
    weights: Tensor,
    attended: Tensor,
    query: Tensor | None = None,
    key: Tensor | None = None,
    *,
    scale: float = 1.0,
    reason: str = "",
) -> Exact:
    """Put an exact pattern together with what it was made of, and factor it once."""
    left, values, right = torch.linalg.svd(weights, full_matrices=False)
    return Exact(weights, attended, query, key, scale, reason, (left, values, right))


def singular_values(exact: Exact) -> tuple[Tensor, Tensor]:
    """Return a pattern's singular values, and the error that is left at each rank from 0."""
    _, values, _ = exact.factors
    squares = torch.cat([values.square(), values.new_zeros(1)])
    left = squares.flip(0).cumsum(0).flip(0)  # what is left out at rank 0, 1, ...
    return values, (left / left[0].clamp(min=torch.finfo(left.dtype).tiny)).sqrt()
