"""What the prediction rests on, on Explore, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import viz
from components.panels import effects_view
from tests.models.folders import save_decoder
from viz.effects import Target, knock_out

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
