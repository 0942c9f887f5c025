"""All heads against all heads, against SciPy."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from tests.compare.stacks import given, mixed_stack, noisy_layer, stack_of
from tests.patterns.layers import padded
from viz.capture.stack import Stack
from viz.compare import Alignment, Similarity, align, like, move, similar_heads, similarity
from viz.errors import CancelledError, ShapeError

# `viz.compare.head_similarity` is the function; its constants are in the module of that name.
MODULE = sys.modules["viz.compare.head_similarity"]


def by_scipy(stack: Stack, other: Stack | None = None, rows: list[int] | None = None) -> np.ndarray:
    """Every pair by itself: the slow reference."""

    def patterns(one: Stack) -> list[np.ndarray]:
        return [
            one.weights(layer, head, rows).double().numpy()
            for layer in range(one.layers)
            for head in range(one.heads(layer))
        ]

    first = patterns(stack)
    second = first if other is None else patterns(other)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        # Rows without weight, and pairs without rows, give NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.array(
            [[np.nanmean(jensenshannon(one, two, axis=-1) ** 2) for two in second] for one in first]
        )


def test_divergences_are_those_of_scipy():
    stack = mixed_stack(37)
    found = similarity(stack)
    np.testing.assert_allclose(found.divergence, by_scipy(stack), rtol=0, atol=1e-12)
    assert found.heads == found.other_heads
    assert found.heads[3] == (1, 0)
    assert (found.rows, found.of, found.alone) == (37, 37, True)


def test_divergences_of_two_stacks_are_those_of_scipy():
    stack, other = mixed_stack(29), stack_of(noisy_layer(29, 2, seed=9))
    found = similarity(stack, other)
    assert found.divergence.shape == (12, 2)
    np.testing.assert_allclose(found.divergence, by_scipy(stack, other), rtol=0, atol=1e-12)


@pytest.mark.parametrize("two", [False, True])
def test_the_fast_way_is_within_two_millionths(monkeypatch, two):
    stack = mixed_stack(600)
    monkeypatch.setattr(MODULE, "EXACT_NUMBERS", 0)
    found = similarity(stack, stack if two else None, rows=50)
    chosen = np.linspace(0, 599, 50).round().astype(int).tolist()
    np.testing.assert_allclose(found.divergence, by_scipy(stack, rows=chosen), rtol=0, atol=2e-6)
    assert found.rows == 50


def test_blocks_of_rows_and_of_heads_change_nothing(monkeypatch):
    # Weights that are given: computed ones differ in their last digits by how many rows are computed.
    stack = given((3 * torch.randn(36, 40, 40)).softmax(-1))
    whole = similarity(stack).divergence
    monkeypatch.setattr(MODULE, "BLOCK_NUMBERS", 36 * 40 * 7)
    np.testing.assert_allclose(similarity(stack).divergence, whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(whole, by_scipy(stack), rtol=0, atol=1e-12)


@over(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20), st.integers(0, 5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_is_symmetric_zero_to_itself_and_at_most_ln_2(heads, rows, columns, seed, peaked):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(heads, rows, columns, generator=generator) * (100 if peaked else 1)
    divergence = similarity(given(scores.softmax(-1))).divergence
    assert np.array_equal(divergence, divergence.T)
    assert not divergence.diagonal().any()
    assert divergence.min() >= 0
    assert divergence.max() <= np.log(2)


@pytest.mark.parametrize("numbers", [0, 10**9])
def test_like_heads_differ_by_nothing_and_disjoint_ones_by_ln_2(monkeypatch, numbers):
    monkeypatch.setattr(MODULE, "EXACT_NUMBERS", numbers)
    one = torch.rand(1, 700, 10).softmax(-1)
    left, right = torch.zeros(2, 1, 700, 10)
    left[..., 0], right[..., 9] = 1, 1
    divergence = similarity(given(torch.cat([one, one, left, right])), rows="all").divergence
    assert divergence[0, 1] == 0
    assert divergence[2, 3] == pytest.approx(np.log(2), abs=1e-7)


def test_a_head_of_the_previous_token_is_none_of_the_current_one():
    # What pooling would take for equal, at 512 tokens and rows that are chosen.
    current, previous = torch.eye(512), torch.eye(512).roll(-1, dims=1)
    found = similarity(given(torch.stack([current, previous])), rows=40)
    assert found.divergence[0, 1] == pytest.approx(np.log(2), abs=1e-7)


def test_padding_is_left_out_and_sums_below_one_are_scaled():
    stack = stack_of(noisy_layer(20, 4, seed=1, mask=padded(20, 6)))
    np.testing.assert_allclose(similarity(stack).divergence, by_scipy(stack), atol=1e-12)
    weights = torch.rand(2, 9, 9).softmax(-1)
    whole = similarity(given(weights)).divergence
    weights[0] *= 0.25
    np.testing.assert_allclose(similarity(given(weights)).divergence, whole, atol=1e-7)


def test_rows_that_one_head_alone_has_are_left_out_of_its_pairs():
    weights = torch.rand(3, 8, 8).softmax(-1)
    weights[0, :4], weights[1, 4:] = 0, 0
    found = similarity(given(weights))
    assert np.isnan(found.divergence[0, 1])
    np.testing.assert_allclose(
        found.divergence[:, 2], by_scipy(given(weights))[:, 2], rtol=0, atol=1e-12
    )
    assert [near[:2] for near in similar_heads(found, 0, 0)] == [(0, 2)]


def test_common_units_take_sums_over_keys_and_means_over_queries():
    stack, other = stack_of(noisy_layer(5, 3, seed=1)), stack_of(noisy_layer(4, 2, seed=2))
    # The first side's tokens 1 and 2 are the second's 1; token 4 has no partner, nor has its 3.
    common = Alignment(
        kind="token",
        first=((0,), (1, 2), (3,), (4,), ()),
        second=((0,), (1,), (2,), (), (3,)),
        first_labels=("a", "bc", "d", "e", ""),
        second_labels=("a", "bc", "d", "", "f"),
        equal=(True, True, True, False, False),
        special=(False,) * 5,
    )
    found = similarity(stack, other, queries=common)
    assert (found.rows, found.of) == (3, 3)
    for head in range(3):
        for theirs in range(2):
            one = move(stack.weights(0, head), common.first, common.first).double()[:3]
            two = move(other.weights(0, theirs), common.second, common.second).double()[:3]
            expected = (jensenshannon(one, two, axis=-1) ** 2).mean()
            assert found.divergence[head, theirs] == pytest.approx(expected, abs=1e-7)
    turned = similarity(other, stack, queries=common.swapped())
    np.testing.assert_allclose(turned.divergence, found.divergence.T, atol=1e-12)


def test_texts_of_other_lengths_need_an_alignment():
    stack, other = mixed_stack(8), mixed_stack(9)
    with pytest.raises(ShapeError, match=r"8 queries and the other 9.*pass the alignment"):
        similarity(stack, other)
    aligned = align(stack.queries, stack.queries)
    assert similarity(stack, stack, queries=aligned).divergence.shape == (12, 12)


def test_many_rows_are_thinned_out_evenly_and_all_can_be_asked_for(monkeypatch):
    stack = stack_of(noisy_layer(300, 4, seed=3))
    monkeypatch.setattr(MODULE, "NUMBERS", 0)
    assert similarity(stack).rows == 96
    assert similarity(stack, rows="all").rows == 300
    assert similarity(stack, rows=7).rows == 7
    rows = np.linspace(0, 299, 7).round().astype(int).tolist()
    np.testing.assert_allclose(
        # Rows that are computed in other blocks are added up in another order.
        similarity(stack, rows=7).divergence,
        by_scipy(stack, rows=rows),
        rtol=0,
        atol=1e-7,
    )


@pytest.mark.parametrize("rows", [0, -1, 2.5, True, "some"])
def test_a_number_of_rows_that_is_none_is_refused(rows):
    with pytest.raises(ShapeError):
        similarity(mixed_stack(6), rows=rows)


def test_heads_like_this_one_are_the_nearest_first_and_not_itself():
    stack = mixed_stack(33)
    expected = by_scipy(stack)
    whole, alone = similarity(stack), like(stack, 1, 2)
    place = whole.heads.index((1, 2))
    near = similar_heads(whole, 1, 2, count=11)
    assert near == tuple(sorted(near, key=lambda one: one.divergence))
    assert (1, 2) not in [one[:2] for one in near]
    assert len(near) == 11
    assert near[0].divergence == pytest.approx(np.sort(expected[place])[1], abs=1e-12)
    np.testing.assert_allclose(alone.divergence[0], expected[place], rtol=0, atol=1e-12)
    assert [one[:2] for one in similar_heads(alone, 1, 2)] == [one[:2] for one in near[:8]]


def test_of_two_stacks_a_head_of_the_same_number_counts():
    stack = mixed_stack(12)
    assert similar_heads(similarity(stack, stack), 1, 2, count=1)[0][:2] == (1, 2)


def test_a_head_that_was_not_compared_is_named():
    found = like(mixed_stack(6), 0, 0)
    with pytest.raises(ShapeError, match="Layer 1 head 9 is not among the heads"):
        similar_heads(found, 1, 9)
    with pytest.raises(ShapeError, match="There is no head 7"):
        like(mixed_stack(6), 0, 7)


def test_it_can_be_cancelled_and_tells_how_far_it_is():
    told: list[float] = []
    similarity(mixed_stack(60), progress=told.append)
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] < 1

    def stop(share: float) -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        similarity(mixed_stack(60), progress=stop)


def test_threads_of_torch_are_as_many_afterwards():
    before = torch.get_num_threads()
    similarity(mixed_stack(60))
    assert torch.get_num_threads() == before


def test_a_similarity_says_its_size():
    found: Similarity = similarity(mixed_stack(6))
    assert repr(found) == "Similarity(12 x 12 heads, 6 of 6 rows)"
    assert "12 x 3" in repr(replace(found, other_heads=found.heads[:3]))
