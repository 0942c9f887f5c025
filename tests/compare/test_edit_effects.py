"""Variants of a text, ranked by what they do to a head."""

from __future__ import annotations

import pytest

import viz
from viz.compare import compare, edited, effects
from viz.errors import CancelledError, InputError

BASE = "The animal didn't cross the street because it was too tired."
EDITS = ["street -> road", "tired -> wide", "animal -> dog", "Ganz anders"]


@pytest.fixture(scope="module")
def runs():
    model = viz.load_model("demo")
    variants = edited(BASE, EDITS)
    traces = [viz.capture(model, variant.text) for variant in variants]
    return traces[0], traces[1:], [variant.title for variant in variants.others]


def test_the_numbers_are_those_of_a_comparison_by_itself(runs):
    base, others, titles = runs
    found = effects(base, others, titles, heads=[(3, 1)])
    for number in found.table.index:
        expected = compare(base, others[number], layer=3, head=1)
        line = found.table.loc[number]
        assert line["jensen_shannon"] == pytest.approx(
            expected.overall["jensen_shannon"], abs=1e-12
        )
        most = expected.numbers["jensen_shannon"].idxmax()
        assert line["most changed row"] == expected.numbers["second"][most]


def test_those_that_moved_most_come_first_and_are_kept(runs):
    found = effects(*runs, heads=[(3, 1)], keep=2)
    assert found.table["jensen_shannon"].is_monotonic_decreasing
    assert list(found.kept) == list(found.table.index[:2])
    every = effects(*runs, heads=[(3, 1)])
    assert list(every.kept) == list(every.table.index)


def test_what_has_nothing_in_common_is_said_and_left_out(runs):
    found = effects(*runs, heads=[(0, 0)])
    assert found.apart == ("Ganz anders",)
    assert "Ganz anders" not in set(found.table["variant"])


def test_as_many_titles_as_variants_are_wanted(runs):
    base, others, titles = runs
    with pytest.raises(InputError, match="4 traces and 3 titles"):
        effects(base, others, titles[:3])


def test_it_can_be_cancelled(runs):
    def cancel(_phase, share):
        if share >= 0.5:
            raise CancelledError("Cancelled.", "")

    with pytest.raises(CancelledError):
        effects(*runs, heads=[(0, 0)], progress=cancel)
