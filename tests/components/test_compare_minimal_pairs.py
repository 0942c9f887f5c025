"""What makes minimal pairs, as it stands in a link."""

from __future__ import annotations

from dataclasses import replace

import pytest

import viz
from components.compare_state import CompareView, SideView
from components.panels.compare.compare_links import neighbour
from components.panels.compare.memory_budget import MOST_BYTES, require_room
from components.panels.compare.minimal_pair_runs import asked, read
from viz.errors import BudgetError, TextError

BASE = "The {old} animal was tired."


def view(edits, edits_as, **others):
    side = SideView(text=BASE)
    return CompareView(first=side, second=side, edits=edits, edits_as=edits_as, **others)


@pytest.mark.parametrize(
    ("edits", "edits_as", "base", "others"),
    [
        (
            "animal -> dog\n\ntired ->",
            "edits",
            BASE,
            ["The {old} dog was tired.", "The {old} animal was."],
        ),
        ("A {cat|dog}, a {b|c}", "template", "A cat, a b", ["A dog, a b", "A cat, a c"]),
        ("text,title\nThe dog was.,short\n", "csv", BASE, ["The dog was."]),
    ],
)
def test_a_base_and_its_variants(edits, edits_as, base, others):
    found = read(asked(view(edits, edits_as)))
    assert found.base.text == base
    assert [variant.text for variant in found.others] == others


def test_every_combination_where_that_is_asked_for():
    assert len(read(asked(view("{a|b} {c|d}", "template", every=True)))) == 4
    assert len(read(asked(view("{a|b} {c|d}", "template")))) == 3


def test_a_table_fills_the_slots_of_a_template_that_is_given():
    found = read(asked(view("noun,verb\ncat,ran\n", "csv", template="The {noun} {verb}.")))
    assert [one.text for one in found.every] == ["The noun verb.", "The cat ran."]


def test_what_cannot_be_read_is_said():
    with pytest.raises(TextError, match="The template has no slot"):
        read(asked(view("text\ncat\n", "csv", template="The noun slept.")))
    with pytest.raises(TextError, match="no 'cat'"):
        read(asked(view("cat -> dog", "edits")))
    with pytest.raises(TextError, match="no column 'text'"):
        read(asked(view("word\ncat\n", "csv")))


def test_which_head_is_looked_at_asks_for_no_other_runs():
    seen = view("animal -> dog", "edits")
    other = replace(seen, first=replace(seen.first, heads="3.1"), row=3, part="edits")
    assert asked(seen) == asked(other)


def test_more_than_is_kept_is_refused_with_its_size():
    said = "texts of this length", "Shorten the base text."
    require_room(MOST_BYTES // 10, 10, *said)
    with pytest.raises(BudgetError, match=r"11 texts of this length take 0\.6 GB"):
        require_room(MOST_BYTES // 10, 11, *said)


def test_a_heads_neighbour_is_another_head_of_its_layer():
    stack = viz.capture(viz.load_model("demo"), "a b").stacks["self"]
    assert neighbour(stack, 3, 1) == (3, 2)
    assert neighbour(stack, 5, 11) == (5, 0)
