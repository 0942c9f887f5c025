"""What the prediction rests on, on Explore, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import viz
from components.panels import effects_pattern, effects_tokens, effects_view
from tests.models.folders import save_decoder, save_encoder_decoder
from viz.effects import Edges, Target, knock_out, knock_out_edges, logit_lens, order_curves
from viz.inputs.units import label_alone

MAIN = Path(__file__).parents[2] / "components" / "main.py"
TEXT = "the cat sat on the mat"


@pytest.fixture
def link(tmp_path, monkeypatch):
    """Return a way to open the page with the effects open and the view that a link asks for."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_decoder(tmp_path / "models" / "foretells", layers=2, heads=2)

    def opened(*, effects=True, **query):
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params = {"model": "foretells", "local": "1", "text": TEXT, **query}
        app.session_state["effects open"] = effects
        app.run()
        assert not app.exception
        return app

    return opened


@pytest.fixture
def model(link):
    folder = Path(viz.models.folders.cache_folder()) / "models" / "foretells"
    return viz.load_model(str(folder))


def heads_of(app):
    return next(one.value for one in app.dataframe if "first_order" in one.value.columns)


def said(app):
    return [one.value for one in app.markdown]


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


def test_another_token_is_explained_and_lies_in_the_link(link, model):
    app = link()
    box = next(one for one in app.selectbox if one.label == "Explain")
    chosen = viz.capture(model, TEXT).output[-1].topk(3).indices.tolist()[2]
    box.select_index(2).run()
    assert not app.exception
    assert app.query_params["predict"] == str(chosen)
    found = viz.effects(model, TEXT, Target(token=chosen))
    assert any(f"**{found.value:.3g}** logits" in one for one in said(app))
    again = link(predict=str(chosen))
    assert said(again) == said(app)


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


def test_a_token_that_is_none_is_said_and_what_was_there_stays(link):
    app = link(predict="99999999")
    assert any("There is no token 99999999" in one.value for one in app.error)


def opened_part(link, part, **query):
    """The page with a part of the effects open, too."""
    app = link(**query)
    app.session_state[f"effects {part}"] = True
    app.run()
    assert not app.exception
    return app


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
    next(one for one in app.multiselect if one.label == "Cut what is read from").set_value([0, 2])
    next(one for one in app.selectbox if one.label == "By").set_value("all")
    next(one for one in app.selectbox if one.label == "In").set_value("layer").run()
    next(one for one in app.button if one.label == "Cut these weights").click().run()
    assert not app.exception
    edges = Edges(columns=[0, 2], layers=[1])
    (without,) = knock_out_edges(model, TEXT, Target(), edges=[edges]).without
    assert [one.value for one in app.metric] == [f"{without:.3g} logits"]


def test_tokens_are_listed_by_every_method_that_is_known(link, model):
    app = opened_part(link, "tokens")
    found = viz.effects(model, TEXT)

    def listed():
        return next(one.value for one in app.dataframe if "Rollout" in one.value.columns)

    assert list(listed().columns) == ["token", "Gradient × input", "Relevance", "Rollout"]
    control = next(one for one in app.segmented_control if one.label == "Tokens by")
    for method in ("flow", "integrated_gradients", "leave_one_out"):
        control.set_value(method).run()
        assert not app.exception
        name = effects_tokens.METHODS[method].name
        assert listed()[name].tolist() == pytest.approx(
            found.tokens(method)["effect"].tolist(), abs=1e-5, nan_ok=True
        )
    assert any(one.value.startswith("Sums over all tokens: Gradient") for one in app.caption)


def test_orders_of_heads_are_tried_against_random_ones(link, model):
    app = opened_part(link, "curves")
    next(one for one in app.button if one.label == "Try the orders").click().run()
    assert not app.exception
    areas = next(one.value for one in app.dataframe if "spread" in one.value.columns)
    expected = order_curves(viz.effects(model, TEXT)).areas
    assert areas["area"].tolist() == pytest.approx(expected["area"].tolist(), abs=1e-5)
    assert set(areas["method"]) == {"Knock-out", "Logit share", "Estimate"}


def test_heads_are_sorted_by_their_effect_once_that_is_known(link):
    def caption(app):
        return next(one.value for one in app.caption if "named layer.head" in one.value)

    closed = link(effects=False, sort="effect")
    assert caption(closed).startswith("By layer until effects are found")
    app = link(sort="effect")
    app.run()
    assert caption(app).startswith("By effect on the prediction, largest first")


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


def test_predictions_after_each_layer_are_those_of_python(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    folder = save_decoder(tmp_path / "models" / "answers", layers=2, heads=2)
    model = viz.load_model(str(folder))
    app = link(effects=False, model="answers")
    app.session_state["lens open"] = True
    app.run()
    assert not app.exception
    lens = logit_lens(model, TEXT)
    table = next(one.value for one in app.dataframe if "layer 1" in one.value.index)
    assert table.index.tolist() == ["layer 1", "layer 0", "embedding"]
    assert table.shape == (3, lens.ids.shape[1])
    for row, layer in zip(table.to_numpy(), (2, 1, 0), strict=True):
        ids = lens.ids[layer, :, 0].tolist()
        assert row.tolist() == [label_alone(model.tokenizer, one) for one in ids]
    likely = lens.probabilities[-1, -1].tolist()
    listed = [
        one.value["probability"].tolist()
        for one in app.dataframe
        if list(one.value) == ["token", "probability"]
    ]
    assert any(one == pytest.approx(likely) for one in listed)


def test_a_model_that_predicts_nothing_has_no_such_view(link):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.session_state["effects open"] = True
    app.run()
    assert not [one for one in app.selectbox if one.label == "Explain"]


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
