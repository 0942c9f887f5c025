"""Heads as points of a plane."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from tests.compare.stacks import mixed_stack
from viz.compare import Similarity, places, similarity
from viz.errors import LoupeError, ShapeError


def lying(points: np.ndarray) -> Similarity:
    """Make a similarity of heads that lie in a plane: divergences are squared distances."""
    heads = tuple((0, head) for head in range(len(points)))
    divergence = squareform(pdist(points) ** 2)
    return Similarity(divergence, heads, heads, alone=True, rows=1, of=1)


def test_what_lies_in_a_plane_is_laid_out_as_it_lies():
    points = np.random.default_rng(1).uniform(-0.3, 0.3, (12, 2))
    found = places(lying(points))
    np.testing.assert_allclose(pdist(found.points), pdist(points), atol=1e-3)
    assert found.stress < 1e-3
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-12)


def test_stress_is_kruskals_of_what_no_plane_holds():
    # Four points at one distance from each other: a plane has no place for them.
    found = places(lying(np.eye(4)))
    drawn, true = pdist(found.points), pdist(np.eye(4))
    scale = (drawn @ true) / (drawn @ drawn)
    expected = np.sqrt(((scale * drawn - true) ** 2).sum() / (true**2).sum())
    assert found.stress == pytest.approx(expected)
    assert found.stress > 0.1


def test_a_map_is_always_the_same():
    similar = similarity(mixed_stack(14))
    one, again = places(similar), places(similar)
    assert np.array_equal(one.points, again.points)
    assert one.heads == similar.heads
    assert one.points.shape == (12, 2)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_few_heads_have_places_too(heads):
    found = places(lying(np.eye(4)[:heads]))
    assert found.points.shape == (heads, 2)
    assert found.stress == pytest.approx(0, abs=1e-9)


def test_heads_that_are_all_alike_share_one_place():
    found = places(lying(np.zeros((5, 2))))
    assert not found.points.any()
    assert found.stress == 0


def test_heads_of_two_stacks_have_no_map():
    with pytest.raises(ShapeError, match="one stack with each other"):
        places(similarity(mixed_stack(9), mixed_stack(9)))


def test_an_unknown_method_is_refused():
    with pytest.raises(LoupeError, match="no map by 'tsne'"):
        places(lying(np.eye(4)), method="tsne")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(LoupeError, match=r'pip install "attention-loupe\[umap\]"'):
        places(lying(np.eye(4)), method="umap")


def test_neighbours_stay_neighbours_by_umap():
    threads = torch.get_num_threads()
    generator = np.random.default_rng(2)
    points = np.concatenate([generator.normal(at, 0.01, (20, 2)) for at in (0.0, 1.0)])
    found = places(lying(points), method="umap")
    assert np.array_equal(found.points, places(lying(points), method="umap").points)
    distances = squareform(pdist(found.points)) + np.diag(np.full(40, np.inf))
    assert all((near < 20) == (head < 20) for head, near in enumerate(distances.argmin(axis=1)))
    # numba would let it take a thread a core.
    assert torch.get_num_threads() == threads
