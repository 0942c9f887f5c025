"""Attention row by row in float64, written to be obviously right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def plain_weights(
    query: Array, key: Array, *, scale: float, allowed: NDArray[np.bool_], bias: Array | None = None
) -> Array:
    """Weights of one head; a row that may look at nothing is 0. Shapes [query, d], [key, d]."""
    weights = np.zeros((len(query), len(key)))
    for q in range(len(query)):
        may = np.flatnonzero(allowed[q])
        if len(may) == 0:
            continue
        scores = np.array([scale * float(query[q] @ key[k]) for k in may])
        if bias is not None:
            scores += bias[q, may]
        exponentials = np.exp(scores - scores.max())
        weights[q, may] = exponentials / exponentials.sum()
    return weights


def plain_statistics(weights: Array) -> dict[str, float]:
    """The five statistics of one square pattern, as means over its rows."""
    n = len(weights)
    entropy = [-sum(w * np.log(w) for w in row if w > 0) for row in weights]
    distance = [sum(w * abs(q - k) for k, w in enumerate(row)) for q, row in enumerate(weights)]
    return {
        "entropy_nats": float(np.mean(entropy)),
        "mean_distance": float(np.mean(distance)),
        "first": float(weights[:, 0].mean()),
        "current": float(np.trace(weights) / n),
        "previous": float(np.trace(weights, offset=-1) / n),
    }
