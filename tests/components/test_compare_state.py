"""A link reproduces both sides of a comparison."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import viz
from components.compare_state import (
    ALONG,
    EDITS_AS,
    MODES,
    OPENING,
    PARTS,
    CompareView,
    SideView,
    chosen_heads,
    from_query,
    missing_heads,
    to_query,
)
from viz.service import TextStore

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000)
heads = st.sampled_from(["all", "3"]) | st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8
).map(lambda some: ",".join(f"{layer}.{head}" for layer, head in some))
sides = st.builds(
    SideView,
    model=st.sampled_from(["minilm", "owner/name", "some folder"]),
    revision=st.sampled_from(["", "v1"]),
    local=st.booleans(),
    text=texts,
    pair=texts,
    media=st.sampled_from(["", "0123456789" * 4 + ".png", "abcdef0123" * 4 + ".ogg"]),
    stack=st.sampled_from(["", "cross"]),
    heads=heads,
)
views = st.builds(
    CompareView,
    first=sides,
    second=sides,
    aggregate=st.sampled_from(["mean", "max"]),
    words=st.booleans(),
    how=st.sampled_from(["text", "position"]),
    pairing=texts,
    mode=st.sampled_from(MODES),
    row=st.integers(-1, 999),
    span=st.sampled_from(["", "0-3,2-9", "120-340,0-512"]),
    part=st.sampled_from(PARTS),
    edits=texts,
    edits_as=st.sampled_from(EDITS_AS),
    every=st.booleans(),
    template=texts,
    along=st.sampled_from(ALONG),
    run=st.sampled_from(["", "0123456789ab" * 2]),
    models=texts,
    step=st.integers(-1, 9_999),
)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(view=views)
def test_every_view_comes_back_out_of_its_link(view, tmp_path):
    store = TextStore(tmp_path)
    assert from_query(to_query(view, store), store) == (view, [])


def test_of_the_second_side_the_link_says_what_differs(tmp_path):
    view = CompareView(first=SideView(text="a"), second=SideView(text="a", heads="2.1"))
    assert to_query(view, TextStore(tmp_path)) == {
        "text": "a",
        "heads": "0.0",
        "other_heads": "2.1",
    }


def test_a_first_visit_sees_two_texts_that_differ_in_a_word(tmp_path):
    view, problems = from_query({}, TextStore(tmp_path))
    assert view == OPENING
    assert not problems
    assert view.first.text != view.second.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heads", "x"),
        ("heads", "1.2.3"),
        ("other_heads", "-1.0"),
        ("mode", "blink"),
        ("row", "many"),
        ("row", "-5"),
        ("span", "3-9"),
        ("span", "-1-4,0-3"),
        ("words", "maybe"),
        ("edits_as", "guess"),
        ("along", "days"),
        ("run", "../x"),
        ("models_digest", "none of ours"),
        ("step", "last"),
        ("stack", "../x"),
        ("text_digest", "none of ours"),
    ],
)
def test_what_a_link_cannot_mean_is_said_and_left_out(name, value, tmp_path):
    view, problems = from_query({name: value}, TextStore(tmp_path))
    assert view == CompareView()
    assert len(problems) == 1


def test_pairs_are_read_line_by_line():
    view = CompareView(pairing="animal = Tier\n\n the street =die Straße\nlone")
    assert view.pairs == (("animal", "Tier"), ("the street", "die Straße"), ("lone", ""))


@pytest.fixture(scope="module")
def stacks():
    return viz.capture(viz.load_model("demo"), "a b").stacks


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("2.3", ((2, 3),)),
        ("99.99", ((5, 11),)),
        ("0.0,5.1,99.1", ((0, 0), (5, 1))),
        ("3", tuple((3, head) for head in range(12))),
        ("all", tuple((layer, head) for layer in range(6) for head in range(12))),
    ],
)
def test_heads_that_are_not_there_move_to_the_nearest(stacks, named, expected):
    assert chosen_heads(SideView(heads=named), stacks)[1] == expected


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (SideView(heads="2.3"), ""),
        (SideView(heads="all"), ""),
        (SideView(heads="5", stack="self"), ""),
        (
            SideView(heads="99.1"),
            "The model has no layer 99 head 1, so layer 5 head 1 is shown.",
        ),
        (SideView(heads="9"), "The model has no layer 9, so layer 5 is shown."),
        (
            SideView(heads="0.0", stack="cross"),
            "The model has no stack 'cross', so stack 'self' is shown.",
        ),
        (
            SideView(heads="0.0,9.1,8.1,7.1,6.1"),
            "The model has no layer 9 head 1, layer 8 head 1, layer 7 head 1 and 1 more, "
            "so layer 5 head 1 is shown.",
        ),
    ],
)
def test_heads_that_are_not_there_are_said(stacks, side, said):
    assert missing_heads(side, stacks) == said
