"""Heads in an order in which those that look alike stand together, and the tree that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist, squareform

from viz.compare.compared_side import Head
from viz.compare.head_similarity import Similarity
from viz.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Branch:
    """A tree of heads.

    Attributes:
        order: which head stands where, by their numbers in the similarity; last those of which nothing is
            known.
        linkage: as of `scipy.cluster.hierarchy.linkage`, [known head - 1, 4], over the heads that are known
            in the order of their numbers; its third column is where two branches meet.
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
        found: from `viz.compare.head_similarity`.

    Raises:
        ShapeError: two heads never look in the same row though both do so with others, no head does, or the
            similarity is of one head.

    Source: Bar-Joseph et al. 2001 for the order of the leaves. Cost: heads^3 at worst; 0.6 s for 1,024.
    """
    rows, columns = known(found)
    divergence = finite(found, rows, columns)
    if found.alone and len(found.heads) != len(found.other_heads):
        raise ShapeError(
            "One head was compared with all others, of which nothing more is known.",
            "Compare all heads with each other: viz.compare.head_similarity.",
        )
    if found.alone:
        branch = _branch(squareform(divergence, checks=False), rows)
        return Order(branch, branch)
    return Order(_branch(pdist(divergence), rows), _branch(pdist(divergence.T), columns))


def _branch(distances: NDArray[np.float64], heads: NDArray[np.bool_]) -> Branch:
    """Cluster the heads that are known, which lie at these distances, each pair once."""
    numbers, unknown = np.flatnonzero(heads), tuple(np.flatnonzero(~heads).tolist())
    if not len(distances):
        return Branch((*numbers.tolist(), *unknown), np.empty((0, 4)))
    tree = optimal_leaf_ordering(linkage(distances, method="average"), distances)
    return Branch((*numbers[leaves_list(tree)].tolist(), *unknown), tree)


def known(found: Similarity) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of which heads and of which others any divergence is known."""
    there = ~np.isnan(found.divergence)
    return np.atleast_1d(there.any(axis=1)), np.atleast_1d(there.any(axis=0))


def left_out(found: Similarity) -> tuple[tuple[Head, ...], tuple[Head, ...]]:
    """Return the heads, and the others, that look in no row which any other one looks in, too."""
    rows, columns = known(found)
    return (
        tuple(head for head, there in zip(found.heads, rows, strict=True) if not there),
        tuple(head for head, there in zip(found.other_heads, columns, strict=True) if not there),
    )


def finite(
    found: Similarity, rows: NDArray[np.bool_], columns: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the divergences of some heads, all of which are known."""
    if not rows.any():
        raise ShapeError(
            "No two heads look in the same row, so that nothing is known of how far apart they are.",
            "Compare them over more rows.",
        )
    unknown = np.argwhere(np.isnan(found.divergence) & rows[:, None] & columns[None, :])
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
    chosen: NDArray[np.float64] = found.divergence[np.ix_(rows, columns)]
    return chosen
