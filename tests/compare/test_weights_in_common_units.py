"""Weights that move keep their sums."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viz.compare import move


@st.composite
def groupings(draw, count: int):
    """Cut numbers below `count` into groups in any order, with empty ones between."""
    labels = draw(st.lists(st.integers(0, 7), min_size=count, max_size=count))
    return tuple(tuple(n for n in range(count) if labels[n] == group) for group in range(8))


@settings(deadline=None)
@given(rows=groupings(9), columns=groupings(7), seed=st.integers(0, 99))
def test_weights_are_summed_over_keys_and_averaged_over_queries(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(2, 9, 7, generator=generator, dtype=torch.float64)
    moved = move(weights, rows, columns)
    for r, queries in enumerate(rows):
        for c, keys in enumerate(columns):
            whole = weights[:, list(queries)][:, :, list(keys)].sum(dim=-1)
            expected = whole.mean(dim=-1) if queries else torch.zeros(2, dtype=torch.float64)
            assert torch.allclose(moved[:, r, c], expected, atol=1e-12)


@settings(deadline=None)
@given(rows=groupings(9), columns=groupings(7))
def test_rows_still_sum_to_what_they_did(rows, columns):
    weights = torch.softmax(torch.randn(9, 7, dtype=torch.float64), dim=-1)
    sums = move(weights, rows, columns).sum(dim=-1)
    there = torch.tensor([bool(group) for group in rows])
    assert torch.allclose(sums[there], torch.ones_like(sums[there]), atol=1e-12)
    assert not sums[~there].any()
