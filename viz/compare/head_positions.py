"""Heads as points of a plane: the nearer two stand, the more they look alike."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from viz.compare.compared_side import Head
from viz.compare.head_clusters import finite, known
from viz.compare.head_similarity import Similarity
from viz.errors import LoupeError, ShapeError

SEED = 0

# Up to so many heads the plane is found to the last digit; beyond it 1,024 heads would take half a
# minute, and nobody sees the difference.
FINE_HEADS, FINE, COARSE = 256, 1e-6, 1e-3

# What UMAP takes for near: its own default.
NEIGHBOURS = 15


@dataclass(frozen=True, slots=True)
class Places:
    """A map of heads.

    Attributes:
        points: float64 [head, 2], around 0. Of `mds` distances are those of the square root of the
            divergence, as far as a plane allows; of `umap` only who stands near whom means something.
        heads: layer and head of each; those of which nothing is known have no place.
        method: how it was made.
        stress: Kruskal's stress-1 of the distances in the plane, 0 for a perfect map; from 0.2 on
            distances should not be trusted.
    """

    points: NDArray[np.float64]
    heads: tuple[Head, ...]
    method: Literal["mds", "umap"]
    stress: float


def places(found: Similarity, *, method: Literal["mds", "umap"] = "mds") -> Places:
    """Lay heads out in a plane, always the same.

    Args:
        found: from `viz.compare.head_similarity`, of one stack.
        method: `mds` keeps distances, `umap` neighbours; the latter needs umap-learn.

    Raises:
        ShapeError: the heads are of two stacks, or a divergence between two of them is not known.
        LoupeError: the method is not installed, or none.

    Source: Borg & Groenen 2005, ch. 8 (SMACOF), from classical scaling on; McInnes et al. 2018. The
    square root of the Jensen-Shannon divergence is a metric: Endres & Schindelin 2003.
    """
    if not found.alone or len(found.heads) != len(found.other_heads):
        raise ShapeError(
            "A map needs every head's divergence from every other one on it.",
            "Compare the heads of one stack with each other: viz.compare.head_similarity(stack).",
        )
    if method not in ("mds", "umap"):
        raise LoupeError(f"There is no map by {method!r:.40}.", 'Choose "mds" or "umap".')
    there, _ = known(found)
    distances = np.sqrt(finite(found, there, there))
    if len(distances) < 3 or not distances.any():
        points = _in_line(distances)
    else:
        points = _by_mds(distances) if method == "mds" else _by_umap(distances)
    heads = tuple(head for head, seen in zip(found.heads, there, strict=True) if seen)
    return Places(points - points.mean(axis=0), heads, method, _stress(points, distances))


def _in_line(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay out heads by their distances from the first: two of them, or any number in one place."""
    return np.stack([distances[0], np.zeros(len(distances))], axis=1)


def _by_mds(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.manifold import MDS

    points: NDArray[np.float64] = MDS(
        n_components=2,
        metric="precomputed",
        init="classical_mds",
        n_init=1,
        eps=FINE if len(distances) <= FINE_HEADS else COARSE,
        random_state=SEED,
    ).fit_transform(distances)
    return points


def _by_umap(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    few = len(distances) <= NEIGHBOURS
    with warnings.catch_warnings(), _same_threads():
        # It says that its neural variant is not there, and that new points cannot be added later.
        warnings.filterwarnings("ignore", category=ImportWarning)
        warnings.filterwarnings("ignore", message="using precomputed metric")
        try:
            from umap import UMAP
        except ImportError as error:
            raise LoupeError(
                "A map by UMAP needs the package umap-learn, which is not installed.",
                'Install it with pip install "attention-loupe[umap]", or choose method="mds".',
            ) from error
        points = UMAP(
            n_components=2,
            metric="precomputed",
            n_neighbors=min(NEIGHBOURS, len(distances) - 1),
            # Its usual beginning needs more heads than neighbours.
            init="random" if few else "spectral",
            random_state=SEED,
            n_jobs=1,
        ).fit_transform(distances)
    return np.asarray(points, dtype=np.float64)


@contextmanager
def _same_threads() -> Iterator[None]:
    """Leave PyTorch as many threads as it has: numba, on which UMAP runs, gives it one a core."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stress(points: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Compare distances in the plane, at the scale that suits them best, with the true ones.

    Source: Kruskal 1964, eq. for S: the root of the squared misses over the squared distances drawn.
    """
    drawn, true = pdist(points), squareform(distances, checks=False)
    if not drawn.any():
        return 0.0 if not true.any() else 1.0
    scale = float(drawn @ true / (drawn @ drawn))
    return float(np.sqrt(((scale * drawn - true) ** 2).sum() / (true @ true)))
