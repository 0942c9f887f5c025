"""Parts of the model for scale beside single heads, and how far an order of heads can be trusted."""

from __future__ import annotations

import pytest

import viz
from tests.components.effects.page import TEXT, opened_part
from viz.effects import Head, Mlp, Target, knock_out, order_curves, permuted_heads


def test_layers_and_mlps_are_knocked_out_for_scale(link, model):
    app = opened_part(link, "layers")
    assert any(
        "Exact: the change where a part puts out 0 at the pos" in one.value for one in app.caption
    )
    known = app.session_state["effects layers found"][1][0].set_index(["part", "layer"])["change"]
    last = len(viz.capture(model, TEXT).units) - 1
    parts = [Head(1, None), Mlp(0)]
    expected = knock_out(model, TEXT, Target(), heads=parts, queries=[last])
    changes = [one - expected.value for one in expected.without]
    assert [known["attention", 1], known["mlp", 0]] == pytest.approx(changes, abs=1e-5)


def test_what_others_rows_would_add_stands_beside_the_orders(link, model):
    app = opened_part(link, "curves")
    assert not app.exception
    listed = next(one.value for one in app.dataframe if "larger" in one.value.columns)
    expected = permuted_heads(viz.effects(model, TEXT))
    assert listed["own"].tolist() == pytest.approx(expected["own"].tolist(), abs=1e-5)


def test_orders_of_heads_are_tried_against_random_ones(link, model):
    app = opened_part(link, "curves")
    next(one for one in app.button if one.label == "Try the orders").click().run()
    assert not app.exception
    areas = next(one.value for one in app.dataframe if "area" in one.value.columns)
    expected = order_curves(viz.effects(model, TEXT)).areas
    assert areas["area"].tolist() == pytest.approx(expected["area"].tolist(), abs=1e-5)
    assert set(areas["method"]) == {"Knock-out", "Logit share", "Estimate"}
