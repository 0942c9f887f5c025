"""Divergences are SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import distance
from scipy.stats import spearmanr

from viz.compare import (
    centre_shift,
    cosine,
    jensen_shannon,
    rank_correlation,
    total_variation,
)

rows = arrays(np.float64, (5, 9), elements=st.floats(0, 1, width=32)).filter(
    lambda values: bool((values.sum(axis=1) > 1e-6).all())
)


@given(one=rows, other=rows)
def test_each_measure_is_scipys(one, other):
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        p, q = a / a.sum(), b / b.sum()
        assert jensen_shannon(one, other)[row] == pytest.approx(
            distance.jensenshannon(a, b) ** 2, abs=1e-12
        )
        assert total_variation(one, other)[row] == pytest.approx(
            distance.cityblock(p, q) / 2, abs=1e-12
        )
        assert cosine(one, other)[row] == pytest.approx(1 - distance.cosine(p, q), abs=1e-12)
        shift = (q * np.arange(9)).sum() - (p * np.arange(9)).sum()
        assert centre_shift(one, other)[row] == pytest.approx(shift, abs=1e-12)


def test_rank_correlation_is_spearmans_with_ties():
    generator = np.random.default_rng(0)
    one, other = (generator.integers(0, 4, (20, 12)).astype(float) + 0.1 for _ in range(2))
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(rank_correlation(one, other), expected, atol=1e-12)


def test_ranks_are_of_the_columns_that_count_alone():
    generator = np.random.default_rng(0)
    one, other = (generator.random((6, 9)) for _ in range(2))
    attended = np.tril(np.ones((6, 9), dtype=bool), k=3)
    one, other = np.where(attended, one, 0), np.where(attended, other, 0)
    found = rank_correlation(one, other, attended=attended)
    for row in range(6):
        expected = spearmanr(one[row][attended[row]], other[row][attended[row]]).statistic
        assert found[row] == pytest.approx(expected, abs=1e-12)


def test_rows_with_nothing_in_common_are_ln_2_apart():
    one, other = np.array([[0.5, 0.5, 0, 0]]), np.array([[0, 0, 0.1, 0.9]])
    assert jensen_shannon(one, other)[0] == pytest.approx(np.log(2), abs=1e-15)
    assert total_variation(one, other)[0] == pytest.approx(1)
    assert cosine(one, other)[0] == 0


def test_a_row_without_weight_is_none():
    one, other = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    for measure in (jensen_shannon, total_variation, cosine, rank_correlation, centre_shift):
        values = measure(one, other)
        assert np.isnan(values[0])
        assert not np.isnan(values[1])


def test_rows_that_are_all_but_alike_diverge_by_nothing_and_not_by_nan():
    rows = np.random.default_rng(0).dirichlet(np.ones(64), 2_000)
    nudged = np.nextafter(rows, 1.0)
    assert (jensen_shannon(rows, nudged) >= 0).all()
    assert jensen_shannon(rows, nudged).max() < 1e-15
