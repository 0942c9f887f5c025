"""Path, operations and time of three layers."""

from __future__ import annotations

import pytest

from viz.analysis.recurrence_vs_attention import (
    HEADS,
    KERNEL,
    KINDS,
    WIDTH,
    growth,
    measure,
    operations,
    path_length,
)


@pytest.mark.parametrize("length", [2, 3, 17])
def test_paths_are_as_long_as_the_theory_says(length):
    assert path_length("attention", length) == 1
    assert path_length("convolution", length) == length - 1
    assert path_length("LSTM", length) == length


@pytest.mark.parametrize("length", [8, 40])
def test_operations_are_as_many_as_counted_by_hand(length):
    """Two for each multiplication: one to multiply, one to add."""
    square = WIDTH * WIDTH
    assert operations("LSTM", length) == 2 * length * 2 * 4 * square  # 4 gates, of input and state
    assert operations("convolution", length) == 2 * length * KERNEL * square
    projections, pairs = 4 * length * square, 2 * length * length * WIDTH
    assert operations("attention", length) == 2 * (projections + pairs)
    assert WIDTH % HEADS == 0


def test_attention_grows_quadratically_and_the_others_linearly():
    lengths = [1024, 2048]
    for kind, expected in (("LSTM", 2.0), ("convolution", 2.0), ("attention", 4.0)):
        found = growth(lengths, [float(operations(kind, length)) for length in lengths])
        assert found == pytest.approx(expected, rel=0.06), kind


def test_growth_is_by_doubling():
    assert growth([1, 2, 4], [3.0, 3.0, 12.0]) == pytest.approx(4)
    assert growth([10, 40], [1.0, 16.0]) == pytest.approx(4)


def test_every_kind_is_measured_at_every_length():
    found = list(measure((4, 8)))
    assert [(one.length, one.kind) for one in found] == [
        (length, kind) for length in (4, 8) for kind in KINDS
    ]
    assert all(one.seconds > 0 and one.operations > 0 and one.path for one in found)
