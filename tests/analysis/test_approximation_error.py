"""Cheaper ways to attend: exact where nothing is left out, and never better than can be."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from viz.analysis.approximate_attention import (
    NEARLY_ZERO,
    linear,
    linear_elu,
    low_rank,
    nystrom,
    top_k,
    windowed,
)
from viz.analysis.approximation_error import (
    WAYS,
    error_of,
    misplaced,
    settings_of,
    try_all,
    try_way,
)
from viz.analysis.attention_costs import exact_cost
from viz.analysis.exact_head import MOST_TOKENS, exact_head, exact_of, singular_values
from viz.errors import BudgetError, ShapeError
from viz.models.custom.attention_masks import causal_mask

D = 4


def head(tokens, *, seed=0, causal=False, size=1.0):
    """A head with known queries and keys, and its weights by the softmax itself."""
    generator = torch.Generator().manual_seed(seed)
    query, key = (
        size * torch.randn(tokens, D, generator=generator, dtype=torch.float64) for _ in "qk"
    )
    attended = causal_mask(tokens, tokens) if causal else torch.ones(tokens, tokens).bool()
    scores = (query @ key.T / math.sqrt(D)).masked_fill(~attended, -torch.inf)
    return exact_of(torch.softmax(scores, -1), attended, query, key, scale=D**-0.5)


heads = st.builds(head, st.integers(1, 24), seed=st.integers(0, 9), causal=st.booleans())


@settings(max_examples=30, deadline=None)
@given(heads)
def test_each_way_that_has_a_full_setting_is_exact_there(exact):
    full = settings_of(exact)[-1]
    for name in ("low rank", "window", "top-k", "Nystrom"):
        weights = WAYS[name].attend(exact, full)
        assert error_of(exact.weights, weights) < 1e-6, name
        assert misplaced(exact.weights, weights) < 1e-6, name


@settings(max_examples=30, deadline=None)
@given(heads)
def test_the_error_of_low_rank_only_falls_and_is_what_the_singular_values_leave(exact):
    _, errors = singular_values(exact)
    found = [
        error_of(exact.weights, low_rank(exact, rank)) for rank in range(len(exact.weights) + 1)
    ]
    assert found == pytest.approx(errors.tolist(), abs=1e-7)
    assert all(after <= before + 1e-9 for before, after in pairwise(found))
    assert found[0] == pytest.approx(1)


@settings(max_examples=20, deadline=None)
@given(heads, st.integers(1, 8))
def test_no_pattern_of_a_rank_is_nearer_than_low_rank(exact, rank):
    """Eckart & Young: neither is Nystrom's, which has as many landmarks as that rank."""
    other = nystrom(exact, rank) if bool(exact.attended.all()) else low_rank(exact, rank)
    best = error_of(exact.weights, low_rank(exact, rank))
    assert best <= error_of(exact.weights, other) + 1e-9


@settings(max_examples=30, deadline=None)
@given(heads, st.integers(1, 30))
def test_what_is_kept_is_the_softmax_over_what_is_kept(exact, count):
    scores = exact.query @ exact.key.T * exact.scale
    places = torch.arange(len(scores))
    near = (places[:, None] - places).abs() < count
    largest = torch.zeros_like(near).scatter_(
        -1, exact.weights.topk(min(count, len(scores)), -1).indices, True
    )
    for found, kept in (
        (windowed(exact.weights, count), near),
        (top_k(exact.weights, count), largest),
    ):
        expected = torch.softmax(scores.masked_fill(~(kept & exact.attended), -torch.inf), -1)
        torch.testing.assert_close(found, expected.nan_to_num(0.0), atol=1e-9, rtol=0)


def test_top_1_by_hand():
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert top_k(weights, 1).tolist() == [[1, 0, 0], [0, 0, 1]]
    kept = top_k(weights, 2)
    torch.testing.assert_close(kept[0], torch.tensor([0.625, 0.375, 0]).double())


def test_a_sink_keeps_its_part():
    """Scores 0 and 0 beside a sink of 0: each has a third, and alone with the sink a half."""
    weights = torch.full((1, 2), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(top_k(weights, 1).sum(), torch.tensor(0.5).double())


def test_a_row_of_padding_stays_empty():
    weights = torch.zeros(2, 2, dtype=torch.float64)
    assert top_k(weights, 1).tolist() == windowed(weights, 1).tolist() == [[0, 0], [0, 0]]
    assert misplaced(weights, weights) == error_of(weights, weights) == 0


@pytest.mark.parametrize("causal", [False, True])
def test_random_features_come_nearer_the_more_there_are(causal):
    exact = head(24, causal=causal, size=0.5)
    few, many = (misplaced(exact.weights, linear(exact, count)) for count in (2, 4096))
    assert many < few / 4
    assert many < 0.05


def test_elu_features_by_hand():
    exact = exact_of(
        torch.full((2, 2), 0.5).double(),
        torch.ones(2, 2).bool(),
        torch.tensor([[0.0], [1.0]]).double(),
        torch.tensor([[0.0], [2.0]]).double(),
    )
    # elu(x) + 1 is 1, 2 for queries and 1, 3 for keys: both rows are 1 to 3.
    torch.testing.assert_close(linear_elu(exact), torch.tensor([[0.25, 0.75]] * 2).double())


@settings(max_examples=30, deadline=None)
@given(heads)
def test_rows_sum_to_one_and_nobody_looks_where_the_mask_forbids(exact):
    for one in (
        linear(exact, 3),
        linear_elu(exact),
        top_k(exact.weights, 2),
        windowed(exact.weights, 2),
    ):
        torch.testing.assert_close(one.sum(-1), torch.ones(len(one)).double())
        assert float(one[~exact.attended].abs().sum()) == 0


def test_one_landmark_is_one_row_for_all():
    exact = head(6)
    weights = nystrom(exact, 1)
    torch.testing.assert_close(weights, weights[:1].expand(6, -1))


def test_landmarks_that_are_alike_do_not_run_away():
    exact = head(24, size=0.05)
    assert NEARLY_ZERO > 0
    assert all(misplaced(exact.weights, nystrom(exact, count)) < 0.1 for count in (1, 2, 8, 16, 24))


def test_costs_by_hand():
    exact = head(8)
    assert exact_cost(exact) == 2 * 8 * 8 * D
    assert try_way(WAYS["window"], exact, 1).cost == pytest.approx(1 / 8)
    assert try_way(WAYS["top-k"], exact, 8).cost == pytest.approx(1)
    assert try_way(WAYS["top-k"], exact, 1).cost == pytest.approx((64 + 8) / 128)
    assert try_way(WAYS["low rank"], exact, 1).cost == pytest.approx(16 / 128)
    causal = head(8, causal=True)
    assert exact_cost(causal) == 2 * 36 * D


def test_settings_go_up_to_the_whole():
    assert settings_of(head(1)) == [1]
    assert settings_of(head(8)) == [1, 2, 4, 8]
    assert settings_of(head(11)) == [1, 2, 4, 8, 11]


@pytest.fixture(scope="module")
def stack():
    return viz.capture(
        viz.load_model("demo"), "The cat sat on the mat because it was tired."
    ).stacks["self"]


def test_any_head_of_a_trace_is_tried(stack):
    exact = exact_head(stack, 3, 1)
    torch.testing.assert_close(exact.weights.float(), stack.weights(3, 1))
    scores = exact.query @ exact.key.T * exact.scale
    torch.testing.assert_close(torch.softmax(scores, -1), exact.weights, atol=1e-6, rtol=0)
    tried = try_all(exact)
    assert {one.way for one in tried} == set(WAYS)
    assert all(math.isfinite(one.error) and one.cost > 0 for one in tried)


def test_what_needs_queries_and_keys_is_left_out_where_there_are_none():
    exact = exact_of(torch.eye(4).double(), torch.ones(4, 4).bool(), reason="nobody knows them")
    assert {one.way for one in try_all(exact)} == {"low rank", "window", "top-k"}
    with pytest.raises(ShapeError, match="nobody knows them"):
        linear(exact, 2)


def test_a_window_is_left_out_where_queries_are_not_keys():
    exact = exact_of(torch.full((2, 5), 0.2).double(), torch.ones(2, 5).bool())
    assert {one.way for one in try_all(exact)} == {"low rank", "top-k"}


def test_a_pattern_that_is_too_large_is_said():
    size = MOST_TOKENS + 1
    stack = viz.load_weights(torch.full((1, 1, size, size), 1 / size).numpy())
    with pytest.raises(BudgetError, match="513 x 513"):
        exact_head(stack, 0, 0)
