"""Links reproduce what is seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.explore_state import OPENING, View, from_query, orders, to_query, written_bounds
from viz.service import TextStore

bounds = st.floats(0, 1e8) | st.sampled_from([-math.inf, math.inf])
views = st.builds(
    View,
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3000),
    layer=st.integers(0, 99),
    head=st.integers(0, 99),
    also=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=7).map(
        lambda heads: ",".join(f"{layer}.{head}" for layer, head in heads)
    ),
    token=st.integers(-1, 500),
    direction=st.sampled_from(["looks at", "looked at by"]),
    words=st.booleans(),
    without_sink=st.booleans(),
    scale=st.sampled_from(["linear", "log"]),
    threshold=st.floats(0, 1),
    top_k=st.integers(0, 500),
    local=st.booleans(),
    sort=st.sampled_from(orders()),
    descending=st.booleans(),
    keep=st.dictionaries(
        st.sampled_from(orders()), st.tuples(bounds, bounds).map(lambda two: (min(two), max(two)))
    ).map(written_bounds),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(view=views)
def test_any_view_comes_back_from_its_link(view, tmp_path):
    texts = TextStore(tmp_path)
    query = to_query(view, texts)
    assert from_query(query, texts) == (view, [])
    assert sum(map(len, query.values())) < 2000


def test_the_usual_view_has_a_short_link(tmp_path):
    assert to_query(View(), TextStore(tmp_path)) == {"layer": "0", "head": "0"}


def test_a_link_without_parameters_is_a_first_visit(tmp_path):
    assert from_query({}, TextStore(tmp_path)) == (OPENING, [])


def test_what_is_not_valid_is_said_and_the_rest_is_kept(tmp_path):
    query = {
        "layer": "-3",
        "head": "2",
        "scale": "rainbow",
        "top_k": "many",
        "threshold": "nan",
        "text_digest": "f" * 40,
        "unknown": "1",
    }
    view, problems = from_query(query, TextStore(tmp_path))
    assert view == View(head=2)
    assert len(problems) == 6
    assert (
        "The link's scale 'rainbow' is not valid: it must be 'linear' or 'log', so 'linear' is shown."
        in problems
    )
    assert (
        "The link's layer '-3' is not valid: it must be a whole number of at least 0, so 0 is shown."
        in problems
    )


def test_a_parameter_that_no_link_has_is_named_with_the_one_that_is_meant(tmp_path):
    view, problems = from_query({"modle": "demo", "zzz": "1"}, TextStore(tmp_path))
    assert view == OPENING, "a link that says nothing is a first visit"
    assert problems == [
        "The link's parameter 'modle' is not known here, so it is left out. Did you mean 'model'?",
        "The link's parameter 'zzz' is not known here, so it is left out.",
    ]
    _, problems = from_query({f"zzz{n}": "1" for n in range(40)}, TextStore(tmp_path))
    assert len(problems) == 6
    assert problems[-1].startswith("35 more")


def test_selected_heads_stand_in_their_order_and_once():
    view = View(layer=3, head=1, also="4.10,3.1,0.0")
    assert view.chosen == ((3, 1), (4, 10), (0, 0))
    assert View().chosen == ((0, 0),)


def test_what_heads_are_within_is_read_from_a_link(tmp_path):
    view, problems = from_query({"keep": "entropy:..1,layer:4..8"}, TextStore(tmp_path))
    assert problems == []
    assert view.kept == {"entropy": (-math.inf, 1.0), "layer": (4.0, 8.0)}
    assert written_bounds(view.kept) == view.keep
    assert View().kept == {}


@pytest.mark.parametrize(
    "keep",
    [
        "entropy",
        "colour:1..2",
        "layer:8..4",
        "layer:-1..4",
        "layer:1..2,layer:3..4",
        "layer:nan..",
        ",",
    ],
)
def test_bounds_that_are_not_valid_are_said(keep, tmp_path):
    view, problems = from_query({"keep": keep, "sort": "entropy"}, TextStore(tmp_path))
    assert view == View(sort="entropy")
    assert len(problems) == 1


def test_a_link_may_name_a_model_by_the_address_of_its_page(tmp_path):
    query = {"model": "https://huggingface.co/owner/name/tree/v2", "local": "1"}
    expected = View(model="owner/name", revision="v2")
    assert from_query(query, TextStore(tmp_path)) == (expected, [])
