"""Heads in order, and only those that are wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.errors import InputError
from viz.patterns import Statistics, arrange

# Layer 0 has two heads, layer 1 three.
PLACES = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
NOWHERE = math.nan


def statistics(entropy, distance=None):
    table = np.array(entropy, dtype=np.float32)
    other = np.zeros_like(table) if distance is None else np.array(distance, dtype=np.float32)
    return Statistics(table, other, table, table, table)


SMALL = statistics([[2, 1, NOWHERE], [0.5, 3, 1]], [[0, 1, NOWHERE], [2, 3, 4]])


def arranged(numbers, **choices):
    return [PLACES[index] for index in arrange(numbers, PLACES, **choices)]


def test_usually_all_stand_by_layer_and_head():
    assert arranged(SMALL) == PLACES


def test_the_last_layer_can_come_first_and_its_heads_still_count_up():
    assert arranged(SMALL, descending=True) == [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1)]


def test_equal_numbers_stand_by_layer_and_head_both_ways():
    assert arranged(SMALL, sort="entropy_nats") == [(1, 0), (0, 1), (1, 2), (0, 0), (1, 1)]
    assert arranged(SMALL, sort="entropy_nats", descending=True) == [
        (1, 1),
        (0, 0),
        (0, 1),
        (1, 2),
        (1, 0),
    ]


def test_bounds_are_included_and_all_must_hold():
    assert arranged(SMALL, keep={"entropy_nats": (1, 2)}) == [(0, 0), (0, 1), (1, 2)]
    assert arranged(SMALL, keep={"entropy_nats": (1, 2), "layer": (1, math.inf)}) == [(1, 2)]
    assert arranged(SMALL, keep={"layer": (7, 9)}) == []


@pytest.mark.parametrize("descending", [False, True])
def test_a_head_without_a_number_stands_last_and_is_within_no_bounds(descending):
    numbers = statistics([[NOWHERE, 1, NOWHERE], [0.5, 3, 1]])
    assert arranged(numbers, sort="entropy_nats", descending=descending)[-1] == (0, 0)
    assert (0, 0) not in arranged(numbers, keep={"entropy_nats": (-math.inf, math.inf)})


@given(
    values=st.lists(st.floats(0, 9, width=32), min_size=12, max_size=12),
    low=st.floats(0, 9),
    high=st.floats(0, 9),
    descending=st.booleans(),
)
def test_the_order_is_that_of_the_numbers_and_nothing_within_the_bounds_is_lost(
    values, low, high, descending
):
    table = np.array(values, dtype=np.float32).reshape(3, 4)
    places = [(layer, head) for layer in range(3) for head in range(4)]
    bounds = {"entropy_nats": (low, high)}
    order = arrange(
        statistics(table), places, sort="entropy_nats", descending=descending, keep=bounds
    )
    numbers = [float(table[places[index]]) for index in order]
    assert numbers == sorted(numbers, reverse=descending)
    assert sorted(numbers) == sorted(v for v in table.ravel().tolist() if low <= v <= high)


def test_an_unknown_statistic_is_said_with_the_one_that_was_meant():
    with pytest.raises(InputError, match="Did you mean 'entropy_nats'"):
        arrange(SMALL, PLACES, sort="entropy")
    with pytest.raises(InputError, match="There are layer, entropy_nats"):
        arrange(SMALL, PLACES, keep={"zzz": (0, 1)})
