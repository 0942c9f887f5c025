"""Texts compared by what they mean."""

from __future__ import annotations

import pytest
import torch

import viz
from viz.analysis.sentence_similarity import MOST_TEXTS, central, closeness, meaning
from viz.errors import TextError


@pytest.fixture(scope="module")
def model():
    return viz.load_model("demo")


def test_a_meaning_is_a_vector_of_length_one(model):
    assert float(meaning(model, "a cat").norm()) == pytest.approx(1)
    torch.testing.assert_close(meaning(model, "a cat"), meaning(model, "a cat"))


def test_what_means_nearly_the_same_is_closer(model):
    near, far = closeness(model, "A cat sleeps.", ["A kitten is asleep.", "Shares fell on Monday."])
    assert near > 0.5 > far


def test_what_has_to_do_with_nothing_else_is_least_central(model):
    found = central(
        model, ["The cat slept.", "A kitten was asleep.", "The old cat lay there.", "Shares fell."]
    )
    assert min(found) == found[3]


def test_nothing_to_compare_with_is_said(model):
    with pytest.raises(TextError, match="nothing to compare"):
        closeness(model, "a cat", [])
    with pytest.raises(TextError, match="nothing to sum up"):
        central(model, [])


def test_more_lines_than_are_compared_are_refused_before_any_is_read(model):
    lines = ["a cat"] * (MOST_TEXTS + 1)
    for compare in (lambda: closeness(model, "a cat", lines), lambda: central(model, lines)):
        with pytest.raises(TextError, match="There are 41 lines; at most 40 are compared"):
            compare()
