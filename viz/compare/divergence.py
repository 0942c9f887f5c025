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


def rank_correlation(
    first: ArrayLike, second: ArrayLike, *, attended: NDArray[np.bool_] | None = None
) -> Rows:
    """Compute Spearman's correlation of rows, -1 to 1; NaN where one is even; [..., row].

    Ties have the mean of their ranks, as in `scipy.stats.spearmanr`.

    Args:
        first: weights, [..., row, column].
        second: of the same shape.
        attended: the columns that count, of the same shape; all by default. Columns that no query may look
            at are ties of both sides, and would make any two causal rows alike.
    """
    sides = _shares(first, second)
    counted = np.ones(sides[0].shape, dtype=bool) if attended is None else attended
    number = np.maximum(counted.sum(axis=-1, keepdims=True), 1)
    ranks = []
    for side in sides:
        # Below all others they move every rank by the same number.
        places = rankdata(np.where(counted, side, -1.0), axis=-1)
        mean = np.where(counted, places, 0.0).sum(axis=-1, keepdims=True) / number
        ranks.append(np.where(counted, places - mean, 0.0))
    one, other = ranks
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    empty = np.isnan(sides[0]).any(axis=-1) | np.isnan(sides[1]).any(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(empty, np.nan, (one * other).sum(axis=-1) / norms)


def centre_shift(first: ArrayLike, second: ArrayLike, *, places: ArrayLike | None = None) -> Rows:
    """Say how far the mean place that is looked at moved, in columns, to the right where positive.

    Args:
        first: rows of one side.
        second: the same rows of the other.
        places: where each column stands; one beside the other by default.
    """
    one, other = _shares(first, second)
    at = np.arange(one.shape[-1]) if places is None else places
    return np.asarray((other - one) @ np.asarray(at, dtype=np.float64))


def _shares(first: ArrayLike, second: ArrayLike) -> tuple[Rows, Rows]:
    one, other = (np.asarray(side, dtype=np.float64) for side in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            one / one.sum(axis=-1, keepdims=True),
            other / other.sum(axis=-1, keepdims=True),
        )
