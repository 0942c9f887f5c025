"""How far rows of weights lie from each other; every measure is SciPy's, or a line of NumPy.

Rows are scaled to sum to 1 before they are compared, as SciPy does with distributions. A row without any
weight is none, and gives NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from scipy.stats import rankdata

Rows = NDArray[np.float64]


def jensen_shannon(first: ArrayLike, second: ArrayLike) -> Rows:
    """Compute the Jensen-Shannon divergence of rows, in nats.

    Args:
        first: weights, [..., row, column].
        second: of the same shape.

    Returns:
        Shape [..., row], from 0 (alike) to ln 2 = 0.693 (nothing in common).

    Source: Lin 1991; `scipy.spatial.distance.jensenshannon` is its square root, which rounding makes NaN
    for rows that are all but alike.
    """
    one, other = _shares(first, second)
    middle = (one + other) / 2
    sums: Rows = rel_entr(one, middle).sum(axis=-1) + rel_entr(other, middle).sum(axis=-1)
    return np.asarray(np.maximum(sums, 0) / 2)


def total_variation(first: ArrayLike, second: ArrayLike) -> Rows:
    """Say which share of the weight would have to move to make the rows alike, 0 to 1; [..., row]."""
    one, other = _shares(first, second)
    return np.asarray(np.abs(one - other).sum(axis=-1) / 2)


def cosine(first: ArrayLike, second: ArrayLike) -> Rows:
    """Compute the cosine of the angle between rows, 0 (nothing in common) to 1; [..., row]."""
    one, other = _shares(first, second)
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray((one * other).sum(axis=-1) / norms)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> Rows:
    """Compute Spearman's correlation of rows, -1 to 1; NaN where one is even; [..., row].

    Ties have the mean of their ranks, as in `scipy.stats.spearmanr`.
    """
    one, other = (rankdata(side, axis=-1) for side in _shares(first, second))
    one, other = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (one, other))
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (one * other).sum(axis=-1) / norms
    empty = np.isnan(jensen_shannon(first, second))
    return np.where(empty, np.nan, correlation)


def centre_shift(first: ArrayLike, second: ArrayLike) -> Rows:
    """Say how far the mean place that is looked at moved, in columns, to the right where positive."""
    one, other = _shares(first, second)
    return np.asarray((other - one) @ np.arange(one.shape[-1], dtype=np.float64))


def _shares(first: ArrayLike, second: ArrayLike) -> tuple[Rows, Rows]:
    one, other = (np.asarray(side, dtype=np.float64) for side in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            one / one.sum(axis=-1, keepdims=True),
            other / other.sum(axis=-1, keepdims=True),
        )
