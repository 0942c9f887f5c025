"""Two real traces side by side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

import viz
from tests.compare.texts import TIRED, WIDE
from viz.compare import changed
from viz.errors import AlignmentError, ShapeError


@pytest.fixture(scope="module")
def smollm2():
    return viz.load_model("smollm2")


def test_a_trace_against_itself_differs_in_nothing(tired):
    comparison = viz.compare(tired, tired, layer=3, head=1)
    assert comparison.overall["jensen_shannon"] == 0
    assert comparison.overall["total_variation"] == 0
    assert comparison.overall["cosine"] == pytest.approx(1)
    assert not comparison.difference().any()


def test_the_numbers_are_those_of_the_two_heads(tired, wide):
    comparison = viz.compare(tired, wide, layer=3, head=1)
    one = tired.stacks["self"].weights(3, 1).double().numpy()
    other = wide.stacks["self"].weights(3, 1).double().numpy()
    expected = jensenshannon(one, other, axis=1) ** 2
    np.testing.assert_allclose(comparison.numbers["jensen_shannon"], expected, atol=1e-12)
    np.testing.assert_allclose(comparison.difference(), other - one, atol=1e-7)


def test_swapping_the_sides_changes_signs_alone(tired, smollm2):
    other = viz.capture(smollm2, WIDE)
    there = viz.compare(tired, other, layer=2, head=3)
    back = viz.compare(other, tired, layer=2, head=3)
    for name in ("jensen_shannon", "total_variation", "cosine", "rank_correlation"):
        np.testing.assert_allclose(there.numbers[name], back.numbers[name], atol=1e-12)
    np.testing.assert_allclose(
        there.numbers["centre_shift"], -back.numbers["centre_shift"], atol=1e-12
    )
    np.testing.assert_array_equal(there.difference(), -back.difference())


def test_two_tokenizers_rows_still_sum_to_one(tired, smollm2):
    comparison = viz.compare(tired, viz.capture(smollm2, TIRED), layer=1, head=0)
    one, other = comparison.weights()
    np.testing.assert_allclose(one.sum(axis=1), comparison.rows.in_first, atol=1e-5)
    np.testing.assert_allclose(other.sum(axis=1), comparison.rows.in_second, atol=1e-5)


def test_what_has_no_partner_is_kept_and_has_no_difference(tired, smollm2):
    comparison = viz.compare(tired, viz.capture(smollm2, TIRED), layer=1, head=0)
    at = comparison.rows.first_labels.index("[SEP]")
    assert not comparison.rows.paired[at]
    assert np.isnan(comparison.difference()[at]).all()
    assert at not in comparison.numbers.index
    alone = comparison.weights()[0][comparison.numbers.index][:, ~comparison.columns.in_second]
    np.testing.assert_allclose(comparison.numbers["first_alone"], alone.sum(axis=1), atol=1e-6)


def test_text_after_a_causal_row_changes_none_of_its_numbers(smollm2):
    short, long = (viz.capture(smollm2, text) for text in (TIRED, f"{TIRED} {WIDE}"))
    alone, followed = (
        viz.compare(trace, trace, layer=3, head=1, other_layer=10, other_head=4).numbers
        for trace in (short, long)
    )
    for name in ("jensen_shannon", "cosine", "rank_correlation", "centre_shift"):
        np.testing.assert_allclose(alone[name], followed.loc[alone.index, name], atol=1e-4)


def test_one_row_that_is_measured_is_the_last(tired, wide):
    assert list(viz.compare(tired, wide, layer=0, head=0, rows=1).numbers.index) == [15]


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_several_heads_become_one_pattern(tired, aggregate):
    heads = [(0, 3), (2, 5), (2, 1)]
    comparison = viz.compare(tired, tired, heads=heads, other_heads=[(0, 0)], aggregate=aggregate)
    stack = tired.stacks["self"]
    each = np.stack([stack.weights(*head).numpy() for head in heads])
    expected = each.mean(axis=0) if aggregate == "mean" else each.max(axis=0)
    one, other = comparison.weights()
    np.testing.assert_allclose(one, expected, atol=1e-6)
    np.testing.assert_allclose(other, stack.weights(0, 0).numpy(), atol=1e-6)


def test_a_layer_is_compared_with_a_layer(tired):
    comparison = viz.compare(tired, tired, layer=0, other_layer=5)
    stack = tired.stacks["self"]
    expected = np.mean([stack.weights(5, head).numpy() for head in range(12)], axis=0)
    np.testing.assert_allclose(comparison.weights()[1], expected, atol=1e-6)


def test_a_part_is_what_the_whole_has_there(tired, wide):
    comparison = viz.compare(tired, wide, layer=4, head=0)
    part, whole = (
        comparison.weights(*spans) for spans in ((slice(3, 7), slice(2, 5)), (None, None))
    )
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_allclose(one, other[3:7, 2:5], atol=1e-6)


def test_long_texts_are_measured_at_rows_evenly_spaced(smollm2):
    text = " ".join([TIRED] * 20)
    trace = viz.capture(smollm2, text)
    few = viz.compare(trace, trace, layer=0, head=0, other_head=1, rows=16)
    every = viz.compare(trace, trace, layer=0, head=0, other_head=1)
    assert few.measured == 16
    assert every.measured == every.of == len(trace.units)
    for name in few.numbers.columns[2:]:
        np.testing.assert_allclose(
            few.numbers[name], every.numbers.loc[few.numbers.index, name], atol=1e-9
        )


def test_coarser_patterns_keep_the_sums_of_their_rows(smollm2):
    trace = viz.capture(smollm2, " ".join([TIRED] * 10))
    comparison = viz.compare(trace, trace, layer=2, head=2).coarser(32)
    one, _ = comparison.weights()
    assert one.shape == (32, 32)
    np.testing.assert_allclose(one.sum(axis=1), 1, atol=1e-5)


def test_a_large_pattern_is_drawn_from_rows_evenly_spaced(smollm2):
    trace = viz.capture(smollm2, " ".join([TIRED] * 10))
    comparison = viz.compare(trace, trace, layer=2, head=2)
    some = comparison.coarser(16, cells=1)
    every, stack = comparison.coarser(16), trace.stacks["self"]
    assert {len(group) for group in some.rows.first} == {2}
    assert {(group[0], group[-1]) for group in some.rows.first} == {
        (group[0], group[-1]) for group in every.rows.first
    }
    first, last = some.rows.first[5]
    mean = stack.weights(2, 2, rows=[first, last]).mean(dim=0).numpy()
    expected = [mean[list(group)].sum() for group in some.columns.first]
    np.testing.assert_allclose(some.weights()[0][5], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"layer": 9, "head": 0}, "There is no layer 9"),
        ({"layer": 0, "head": 0, "other_head": 99}, "There is no head 99"),
        ({"heads": []}, "No head is chosen"),
        ({"heads": [(0, 99)]}, "There is no head 99"),
        ({"stack": "cross"}, "There is no stack 'cross'"),
        ({"aggregate": "median"}, "cannot be taken together by 'median'"),
        ({"how": "letters"}, "cannot be matched by 'letters'"),
        ({"rows": 0}, "0 rows were asked for"),
        ({"rows": 2.5}, "number of rows is a float"),
    ],
)
def test_a_head_that_is_not_there_is_named(tired, choices, said):
    with pytest.raises(ShapeError, match=said):
        viz.compare(tired, tired, **choices)


def test_texts_without_a_common_word_are_refused(tired, demo):
    with pytest.raises(AlignmentError, match="no word in common"):
        viz.compare(tired, viz.capture(demo, "Quantum flux rises."), layer=0, head=0)


def test_a_part_has_the_weights_of_the_whole(tired, wide):
    comparison = viz.compare(tired, wide, layer=3, head=1)
    part = comparison.part(slice(4, 12), slice(0, 7))
    for cut, every in zip(part.weights(), comparison.weights(), strict=True):
        np.testing.assert_array_equal(cut, every[4:12, :7])
    for cut, every in zip(part.attended(), comparison.attended(), strict=True):
        np.testing.assert_array_equal(cut, every[4:12, :7])
    np.testing.assert_array_equal(part.difference(), comparison.difference()[4:12, :7])
    assert part.rows.labels == comparison.rows.labels[4:12]
    assert part.numbers is comparison.numbers


@pytest.mark.parametrize(
    ("one", "other", "pairing"),
    [
        ("The animal slept.", "Das Tier schlief.", [("animal", "Tier"), ("slept", "schlief")]),
        ("A huge red dog ran home.", "A dog, happily ran home quickly.", None),
    ],
)
def test_swapped_sides_turn_the_centre_shift_round_whatever_has_no_partner(
    demo, one, other, pairing
):
    first, second = viz.capture(demo, one), viz.capture(demo, other)
    back = None if pairing is None else [pair[::-1] for pair in pairing]
    there = viz.compare(first, second, layer=3, head=1, pairing=pairing)
    turned = viz.compare(second, first, layer=3, head=1, pairing=back)
    assert there.overall["centre_shift"] != 0
    assert turned.overall["centre_shift"] == pytest.approx(-there.overall["centre_shift"])
    assert changed(first, second, pairing=pairing).heads["centre_shift"].sum() == pytest.approx(
        -changed(second, first, pairing=back).heads["centre_shift"].sum()
    )


def test_a_unit_without_a_partner_stands_between_its_neighbours(demo):
    first, second = (viz.capture(demo, text) for text in ("a dog ran", "a big dog ran"))
    columns = viz.compare(first, second, layer=3, head=1).columns
    assert columns.second_labels == ("[CLS]", "a", "big", "dog", "ran", "[SEP]")
    assert columns.places.tolist() == [0, 1, 1.5, 2, 3, 4]
