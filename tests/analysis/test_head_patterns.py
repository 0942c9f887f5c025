"""Targets say where a head with a known habit would look."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viz.analysis import (
    Targets,
    induction_targets,
    lag_targets,
    previous_targets,
    reverse_targets,
    same_targets,
    sorting_targets,
)
from viz.errors import ShapeError

numbers = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def edges(targets: Targets) -> set[tuple[int, int]]:
    rows = torch.arange(len(targets.wanted))
    return {
        tuple(edge) for edge in targets.matches(rows, 0, len(targets.labels)).nonzero().tolist()
    }


def test_the_previous_token_is_one_place_before():
    assert edges(previous_targets(4)) == {(1, 0), (2, 1), (3, 2)}


def test_induction_looks_after_the_earlier_occurrence():
    # a b c a b c: the second a looks at the first b, the second b at c, the second c at the second a.
    assert edges(induction_targets([7, 8, 9, 7, 8, 9])) == {(3, 1), (4, 2), (5, 3)}


def test_induction_counts_every_earlier_occurrence():
    assert edges(induction_targets([7, 8, 7, 9, 7])) == {(2, 1), (4, 1), (4, 3)}


def test_a_token_that_repeats_at_once_does_not_count_itself():
    assert edges(induction_targets([7, 7])) == set()


def test_special_tokens_want_nothing_and_are_no_occurrence():
    # [BOS] a b [BOS] a: the second [BOS] wants nothing; the second a looks at b.
    special = [True, False, False, True, False]
    assert edges(induction_targets([1, 7, 8, 1, 7], special=special)) == {(4, 2)}


@settings(deadline=None)
@given(numbers)
def test_induction_is_what_its_definition_says(ids):
    count = len(ids)
    expected = {
        (query, key + 1)
        for query in range(count)
        for key in range(count)
        if ids[key] == ids[query] and key + 1 < query
    }
    assert edges(induction_targets(ids)) == expected


def test_a_lag_is_a_stripe():
    assert edges(lag_targets(4, 2)) == {(2, 0), (3, 1)}
    with pytest.raises(ShapeError, match="lag is -1"):
        lag_targets(4, -1)


def test_reversing_is_the_anti_diagonal():
    assert edges(reverse_targets(4, 3)) == {(0, 2), (1, 1), (2, 0)}


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_sorting_looks_at_the_key_of_each_rank(values):
    expected = {(rank, values.index(rank)) for rank in range(6)}
    assert edges(sorting_targets(7, values)) == expected


def test_either_of_two_same_values_is_right():
    assert edges(sorting_targets(4, [5, 3, 5])) == {(0, 1), (1, 0), (1, 2), (2, 0), (2, 2)}


def test_special_keys_are_no_place_and_no_rank():
    special = [True, False, False, True]
    assert edges(reverse_targets(3, 4, special=special)) == {(0, 2), (1, 1)}
    assert edges(sorting_targets(3, [0, 9, 4, 1], special=special)) == {(0, 2), (1, 1)}


def test_kinds_match_and_nothing_matches_nothing():
    assert edges(same_targets([1, -1, 2], [2, -1, 1, 2])) == {(0, 2), (2, 0), (2, 3)}
    assert edges(same_targets([1, 1, 1], [1, 1, 1], earlier=True)) == {(1, 0), (2, 0), (2, 1)}


@settings(deadline=None)
@given(numbers, numbers, st.data())
def test_rows_are_those_that_have_a_match(wanted, labels, data):
    bound = st.integers(0, len(labels))
    ends = data.draw(st.none() | st.lists(bound, min_size=len(wanted), max_size=len(wanted)))
    targets = Targets(
        torch.tensor(wanted) - 1,
        torch.tensor(labels) - 1,
        None if ends is None else torch.tensor(ends),
    )
    assert targets.rows().tolist() == sorted({row for row, _ in edges(targets)})


@pytest.mark.parametrize(
    "wrong", [torch.zeros(2, 2, dtype=torch.int64), torch.zeros(3)], ids=["matrix", "float"]
)
def test_targets_that_are_no_lists_are_refused(wrong):
    with pytest.raises(ShapeError, match="whole numbers"):
        Targets(wrong, torch.arange(3))


def test_ends_are_told_of_every_query():
    with pytest.raises(ShapeError, match="2 queries end for 3"):
        same_targets([1, 1], [1, 1, 1], earlier=True)


def test_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ShapeError, match="float32"):
        sorting_targets(2, torch.tensor([0.5, 0.1]))
