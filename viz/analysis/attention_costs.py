"""What ways to attend cost: multiplications of one head, with values as wide as keys.

Exact attention needs two for every pair that may look and every dimension: one for the score, one
for the sum.
"""

from __future__ import annotations

from viz.analysis.exact_head import Exact
from viz.models.custom.attention_masks import window_mask


def exact_cost(exact: Exact) -> float:
    """Count the multiplications of exact attention: a score and a sum for each pair that may look."""
    return 2.0 * float(exact.attended.sum()) * _width(exact)


def rank_cost(exact: Exact, rank: int) -> float:
    """Count the products of values with a wide matrix, and of those with a tall one."""
    return float(sum(exact.weights.shape)) * rank * _width(exact)


def window_cost(exact: Exact, width: int) -> float:
    """Count a score and a sum for each pair within a window that may look."""
    queries, keys = exact.weights.shape
    pairs = exact.attended & window_mask(queries, keys, width)
    return 2.0 * float(pairs.sum()) * _width(exact)


def top_cost(exact: Exact, count: int) -> float:
    """Count a score for each pair that may look, and a sum for each that is kept."""
    summed = exact.attended.sum(-1).clamp(max=count).sum()
    return (float(exact.attended.sum()) + float(summed)) * _width(exact)


def linear_cost(exact: Exact, features: int) -> float:
    """Count the features of all queries and keys, and of each a product with the values' width."""
    return 2.0 * float(sum(exact.weights.shape)) * features * _width(exact)


def elu_cost(exact: Exact, _: int) -> float:
    """Count the products with values of as many features as a head is wide."""
    return float(sum(exact.weights.shape)) * _width(exact) ** 2


def nystrom_cost(exact: Exact, landmarks: int) -> float:
    """Count three small patterns, the inverse of one, and the values through all of them."""
    queries, keys = exact.weights.shape
    near = min(landmarks, queries, keys)
    patterns = (queries + near + keys) * near * _width(exact)
    return float(patterns + near**3 + (keys + near + queries) * near * _width(exact))


def _width(exact: Exact) -> int:
    # Where nobody knows how wide a head is, all costs grow with it alike.
    return 1 if exact.query is None else exact.query.shape[1]
