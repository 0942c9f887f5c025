"""Heads that look alike stand together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import squareform

from tests.compare.stacks import given, mixed_stack
from viz.compare import like, order, places, similarity
from viz.compare.head_clusters import left_out
from viz.errors import ShapeError
from viz.figures import places_figure, similarity_figure


def families() -> torch.Tensor:
    """Heads 0, 2, 4 look at the token before, heads 1, 3, 5 at their own; each a little elsewhere."""
    before, own = torch.eye(24).roll(-1, dims=1), torch.eye(24)
    noise = torch.rand(6, 24, 24).softmax(-1)
    kinds = torch.stack([before, own] * 3)
    shares = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])[:, None, None]
    return (1 - shares) * kinds + shares * noise


def test_heads_of_one_kind_stand_beside_each_other():
    found = order(similarity(given(families()))).rows.order
    assert sorted(found) == list(range(6))
    assert {head % 2 for head in found[:3]} in ({0}, {1})
    assert {head % 2 for head in found[3:]} in ({0}, {1})


def test_branches_meet_at_the_mean_divergence_between_their_heads():
    similar = similarity(given(families()))
    tree = order(similar).rows.linkage
    assert tree.shape == (5, 4)
    between = similar.divergence[np.ix_([0, 2, 4], [1, 3, 5])]
    assert tree[-1, 2] == pytest.approx(between.mean(), abs=1e-12)
    assert tree[0, 2] == pytest.approx(squareform(similar.divergence).min(), abs=1e-12)


def test_rows_and_columns_of_two_stacks_have_orders_of_their_own():
    found = order(similarity(given(families()), given(families()[[0, 2, 1]])))
    assert sorted(found.rows.order) == list(range(6))
    assert {head % 2 for head in found.rows.order[:3]} in ({0}, {1})
    # Of the others the first two are of one kind.
    assert found.columns.order.index(2) != 1


def test_one_head_is_in_order():
    assert order(similarity(given(families()[:1]))).rows.order == (0,)
    assert order(similarity(given(families()[:1]), given(families()[:2]))).columns.order in (
        (0, 1),
        (1, 0),
    )


def test_a_head_that_looks_in_no_row_with_another_stands_at_the_end():
    similar = similarity(given(families()))
    divergence = similar.divergence.copy()
    divergence[2] = divergence[:, 2] = np.nan
    silent = replace(similar, divergence=divergence)
    found = order(silent).rows
    rest = order(similarity(given(families()[[0, 1, 3, 4, 5]]))).rows
    assert found.order[-1] == 2
    assert sorted(found.order) == list(range(6))
    assert found.linkage.shape == rest.linkage.shape == (4, 4)
    assert left_out(silent) == (((0, 2),), ((0, 2),))
    assert left_out(similar) == ((), ())
    mapped = places(silent)
    assert mapped.heads == ((0, 0), (0, 1), (0, 3), (0, 4), (0, 5))
    assert np.isfinite(mapped.points).all()
    drawn = similarity_figure(silent, order(silent))
    assert np.isnan(drawn.data[0].z[-1]).all()
    assert places_figure(mapped).data[0].customdata.shape == (5, 2)


def test_heads_none_of_which_is_known_are_refused():
    similar = similarity(given(families()))
    nothing = replace(similar, divergence=np.full((6, 6), np.nan))
    for made in (order, places):
        with pytest.raises(ShapeError, match="No two heads look in the same row"):
            made(nothing)


def test_what_is_not_known_is_said():
    similar = similarity(mixed_stack(9))
    divergence = similar.divergence.copy()
    divergence[0, 4] = np.nan
    with pytest.raises(ShapeError, match="Layer 0 head 0 and layer 1 head 1 never look"):
        order(replace(similar, divergence=divergence))
    with pytest.raises(ShapeError, match="One head was compared"):
        order(like(mixed_stack(9), 0, 0))
