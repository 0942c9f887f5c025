"""Common slips, worked by hand and beside the right result."""

from __future__ import annotations

import math

import pytest
import torch

from viz.analysis.common_mistakes import common_slips, right
from viz.analysis.worked_example import text_lesson, textbook_lesson, work

# Scores of the textbook example; see tests/models/custom/test_attention_steps.py.
SCORES = torch.tensor([[10, 2, 12], [5, 1, 6], [15, 3, 18]], dtype=torch.float64)
VALUE = torch.tensor([[2, 2, 1], [0, 1, 1], [2, 3, 2]], dtype=torch.float64)
ROOT = math.sqrt(3)


def by_hand(scores, dim=-1):
    return torch.exp(scores) / torch.exp(scores).sum(dim, keepdim=True)


EXPECTED = {
    "No softmax": (SCORES / ROOT, 1),
    "Softmax over the wrong axis": (by_hand(SCORES / ROOT, dim=0), 1),
    "Multiplied by the root": (by_hand(SCORES * ROOT), 1),
    "Scale left out": (by_hand(SCORES), 1),
    "One root too many, outside the sum": (by_hand(SCORES / ROOT), ROOT),
}


def test_the_right_result_is_that_of_the_textbook():
    good = right(textbook_lesson())
    torch.testing.assert_close(good.weights[0], by_hand(SCORES / ROOT))
    assert good.output.numpy().round(4).tolist() == [
        [1.9953, 2.7562, 1.7586],
        [1.931, 2.5839, 1.6184],
        [1.9997, 2.8494, 1.8495],
    ]


@pytest.mark.parametrize("number", range(5))
def test_each_slip_is_what_it_says(number):
    slip = common_slips(textbook_lesson())[number]
    weights, divided = EXPECTED[slip.name]
    torch.testing.assert_close(slip.weights[0], weights)
    torch.testing.assert_close(slip.output, weights @ VALUE / divided)


@pytest.mark.parametrize("lesson", [textbook_lesson(), text_lesson("the cat sat on the mat")])
def test_each_slip_differs_from_the_right_result(lesson):
    good = right(lesson)
    for slip in common_slips(lesson):
        assert float((slip.output - good.output).abs().max()) > 0.05, slip.name


def test_row_sums_tell_two_of_the_slips():
    told = [
        slip.name
        for slip in common_slips(textbook_lesson())
        if not torch.allclose(slip.row_sums, torch.ones(1, 3, dtype=torch.float64))
    ]
    assert told == ["No softmax", "Softmax over the wrong axis"]


def test_slips_stay_behind_the_mask():
    lesson = text_lesson("the cat sat")
    for slip in common_slips(lesson):
        assert float(slip.weights.triu(1).abs().max()) == 0, slip.name


def test_the_right_result_is_that_of_the_module():
    lesson = text_lesson("the cat sat")
    torch.testing.assert_close(right(lesson).output, work(lesson).steps.joined)


def test_multiplied_by_the_root_scores_lie_d_k_times_as_far_apart():
    lesson = textbook_lesson()
    slip = next(one for one in common_slips(lesson) if one.name == "Multiplied by the root")
    gaps = [torch.log(one.weights[..., :1] / one.weights) for one in (slip, right(lesson))]
    torch.testing.assert_close(gaps[0], 3 * gaps[1])
