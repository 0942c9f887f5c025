"""What weights do: as a map, cut, or the fewest that are enough."""

from __future__ import annotations

import pytest

import viz
from components.panels import effects_pattern
from tests.components.effects.page import TEXT, box, opened_part, said
from viz.effects import Edges, Target, knock_out_edges, smallest_edges


def test_the_pattern_is_shown_by_what_its_weights_do(link):
    app = opened_part(link, "pattern by effect", layer="1", head="1")
    box = next(one for one in app.selectbox if one.label == "Show of each weight")
    for kind, (_, meaning) in effects_pattern.KINDS.items():
        box.set_value(kind).run()
        assert not app.exception
        assert not app.info
        assert any(one.value == meaning for one in app.caption)


def test_weights_are_cut_and_the_prediction_without_them_is_said(link, model):
    app = opened_part(link, "edges", layer="1", head="1")
    next(one for one in app.multiselect if one.label == "Keys").set_value([0, 2])
    box(app, "effects cut from").set_value("all")
    next(one for one in app.selectbox if one.label == "In").set_value("layer").run()
    next(one for one in app.button if one.label == "Cut these weights").click().run()
    assert not app.exception
    edges = Edges(columns=[0, 2], layers=[1])
    (without,) = knock_out_edges(model, TEXT, Target(), edges=[edges]).without
    assert [one.value for one in app.metric] == [f"{without:.3g} logits"]


@pytest.mark.parametrize(
    ("how", "edges"),
    [
        ("previous", Edges(offset=1, layers=[1], heads=[1])),
        ("first", Edges(columns=[0], layers=[1], heads=[1])),
        ("span", Edges(columns=[1, 2, 3], layers=[1], heads=[1])),
    ],
)
def test_weights_are_cut_by_a_rule_or_a_span(link, model, how, edges):
    app = opened_part(link, "edges", layer="1", head="1")
    box(app, "effects cut how").set_value(how)
    box(app, "effects cut from").set_value("all").run()
    if how == "span":
        next(one for one in app.slider if one.label == "Keys").set_value((1, 3)).run()
    next(one for one in app.button if one.label == "Cut these weights").click().run()
    assert not app.exception
    (without,) = knock_out_edges(model, TEXT, Target(), edges=[edges]).without
    assert [one.value for one in app.metric] == [f"{without:.3g} logits"]


def test_weights_of_the_selected_heads_are_cut_together(link, model):
    app = opened_part(link, "edges", layer="1", head="1", also="0.0,1.0")
    next(one for one in app.multiselect if one.label == "Keys").set_value([2])
    box(app, "effects cut where").set_value("selected").run()
    next(one for one in app.button if one.label == "Cut these weights").click().run()
    assert not app.exception
    last = len(viz.capture(model, TEXT).units) - 1
    several = [
        Edges([last], [2], layers=[0], heads=[0]),
        Edges([last], [2], layers=[1], heads=[1, 0]),
    ]
    (without,) = knock_out_edges(model, TEXT, Target(), edges=[several]).without
    assert [one.value for one in app.metric] == [f"{without:.3g} logits"]


def test_the_fewest_weights_that_are_enough_are_searched_for(link, model):
    app = opened_part(link, "search")
    next(one for one in app.button if one.label == "Search for the fewest weights").click().run()
    assert not app.exception
    expected = smallest_edges(viz.effects(model, TEXT))
    listed = next(
        one.value
        for one in app.dataframe
        if "weight_gradient" in one.value.columns and "token" in one.value.columns
    )
    assert len(listed) == len(expected.edges)
    assert any(f"**{len(expected.edges)}** of {expected.of} weights" in one for one in said(app))
