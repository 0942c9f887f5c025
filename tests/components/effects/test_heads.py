"""What becomes of the prediction without each head, and what the rest of the page does with it."""

from __future__ import annotations

import pytest

import viz
from components.panels import effects_view
from tests.components.effects.page import TEXT, box, heads_of, said
from tests.models.folders import save_encoder_decoder
from viz.effects import Target, knock_out, prediction_effects


def test_nothing_is_found_before_somebody_opens_it(link):
    app = link(effects=False)
    assert not [one for one in app.selectbox if one.label == "Explain"]


def test_every_head_has_its_effects_on_the_most_probable_token(link, model):
    app = link()
    last = len(viz.capture(model, TEXT).units) - 1
    expected = knock_out(model, TEXT, Target(), queries=[last]).table
    frame = heads_of(app).set_index(["layer", "head"])
    assert len(frame) == len(expected) == 4
    for row in expected.itertuples():
        assert frame.loc[(row.layer, row.head), "at_position"] == pytest.approx(
            row.change, abs=1e-5
        )
    found = viz.effects(model, TEXT)
    assert any(f"**{found.value:.3g}** logits" in one for one in said(app))


def test_a_method_is_chosen_and_lies_in_the_link(link):
    app = link()
    next(one for one in app.segmented_control if one.label == "Method").set_value("share").run()
    assert app.query_params["effect"] == "share"
    assert any(effects_view.METHODS["share"].meaning in one.value for one in app.caption)


def test_the_selected_heads_row_is_listed_by_what_its_weights_do(link, model):
    app = link(layer="1", head="1")
    row = next(one.value for one in app.dataframe if "weight × gradient" in one.value.columns)
    found = viz.effects(model, TEXT)
    at = found.objective.position
    products = found.weights("weight_gradient", 1, 1, [at])[0]
    assert row["weight × gradient"].iloc[0] == pytest.approx(
        float(products[products.abs().argmax()]), abs=1e-5
    )
    assert row["share"].sum() == pytest.approx(
        float(found.weights("share", 1, 1, [at]).sum()), abs=1e-4
    )


def test_the_selected_head_is_silenced_everywhere(link, model):
    app = link(layer="1", head="0")
    next(one for one in app.button if one.label == "Silence this head everywhere").click().run()
    assert not app.exception
    without = knock_out(model, TEXT, Target(), heads=[(1, 0)]).without[0]
    (metric,) = app.metric
    assert metric.value == f"{without:.3g} logits"


def test_views_that_are_open_lie_in_the_link(link):
    app = link(effects=False, open="effects,lens")
    assert heads_of(app) is not None
    assert any("layer 1" in one.value.index for one in app.dataframe)
    assert app.query_params["open"] == "effects,lens"
    strange = link(effects=False, open="nothing,of,the,kind")
    assert not strange.exception


def test_where_every_head_would_take_long_it_is_offered(link, model, monkeypatch):
    monkeypatch.setattr(prediction_effects, "is_quick", lambda *_args: False)
    app = link()
    assert heads_of(app)["at_position"].isna().all()
    next(one for one in app.button if one.label == "Knock out all 4 heads").click().run()
    assert not app.exception
    expected = knock_out(model, TEXT, queries=[len(viz.capture(model, TEXT).units) - 1]).table
    assert heads_of(app)["at_position"].abs().max() == pytest.approx(
        expected["change"].abs().max(), abs=1e-5
    )


def test_heads_are_sorted_by_their_effect_once_that_is_known(link):
    def caption(app):
        return next(one.value for one in app.caption if "named layer.head" in one.value)

    closed = link(effects=False, sort="effect")
    assert caption(closed).startswith("By layer until effects are found")
    app = link(sort="effect")
    app.run()
    assert caption(app).startswith("By effect on the prediction, largest first")


def test_small_patterns_show_what_weights_do_once_that_is_found(link):
    closed = link(effects=False, small="weight_gradient")
    assert any("square root of the weight" in one.value for one in closed.caption)
    app = link(small="weight_gradient")
    app.run()
    assert not app.exception
    assert any("weight × gradient, red for the prediction" in one.value for one in app.caption)
    box(app, "grid small").set_value("weight").run()
    assert not app.exception
    assert any("square root of the weight" in one.value for one in app.caption)


@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_every_part_stands_for_each_stack_of_an_encoder_decoder(link, tmp_path, stack):
    save_encoder_decoder(tmp_path / "models" / "rewrites")
    # The prediction is made at a position that the other text does not have.
    pair = "the dog did not sit on the mat"
    app = link(model="rewrites", text="the cat", pair=pair, stack=stack, sort="effect")
    for part in effects_view.MORE:
        app.session_state[f"effects {part}"] = True
    app.run()
    assert not app.exception
    assert not app.error
    next(one for one in app.button if one.label == "Cut these weights").click().run()
    assert not app.exception
    assert len(app.metric) == 1


def test_what_cannot_be_found_is_said_once_and_not_tried_again(link, monkeypatch):
    tried = []

    def refuse(*_args):
        tried.append(1)
        raise viz.LoupeError("Too little memory.", "Choose a shorter text.")

    monkeypatch.setattr(viz.service.Workbench, "effects", refuse)
    app = link()
    assert any("Too little memory. Choose a shorter text." in one.value for one in app.error)
    app.run()
    assert tried == [1]
    next(one for one in app.button if one.label == "Try again").click().run()
    assert tried == [1, 1]
