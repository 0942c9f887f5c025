"""Into which bins the rows of a head fall, score by score, so that its distribution can be drawn."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Of every score, so that sums of all scores are one array.
BINS = 24

# Of shares of weight: as wide each.
_SHARES = np.linspace(0, 1, BINS + 1)

# Of entropies, in nats: up to a row that is spread over 160,000 keys; more falls into the last.
MOST_NATS = 12
_NATS = np.linspace(0, MOST_NATS, BINS + 1)

# Of distances: 0 to 1, then twice as far each.
_TOKENS = np.concatenate(([0.0], 2.0 ** np.arange(BINS)))


@cache
def edges_of(score: str) -> NDArray[np.float64]:
    """Return the borders of a score's bins, [bin + 1]; what lies beyond the last falls into it."""
    return {"entropy": _NATS, "distance": _TOKENS}.get(score, _SHARES)


def bins_of(values: Tensor, scores: tuple[str, ...]) -> Tensor:
    """Say into which bin each number falls, int64; by arithmetic, several times as fast as a search.

    Args:
        values: [score, ...], 0 or more.
        scores: their names.
    """
    found = torch.empty_like(values)
    for own, value, score in zip(found, values, scores, strict=True):
        if score == "distance":
            torch.log2(value.clamp_min(0.5), out=own).add_(1)
        else:
            torch.mul(value, BINS / (MOST_NATS if score == "entropy" else 1), out=own)
    return found.long().clamp_(0, BINS - 1)
