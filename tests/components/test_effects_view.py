"""What the prediction rests on, on Explore, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from transformers import BertConfig, BertForSequenceClassification

import viz
from components.panels import effects_pattern, effects_tokens, effects_view
from tests.models.folders import (
    save_decoder,
    save_encoder_decoder,
    save_small,
    word_tokenizer,
)
from viz.effects import (
    Edges,
    Head,
    Mlp,
    Target,
    knock_out,
    knock_out_edges,
    logit_lens,
    order_curves,
    permuted_heads,
    prediction_effects,
    smallest_edges,
    token_agreement,
)
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
        if effects:
            app.query_params["open"] = "effects"
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


def box(app, key):
    return next(one for one in app.selectbox if str(one.key).startswith(key))


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


def test_another_number_of_the_prediction_is_explained(link, model):
    app = link(measure="log_probability", predict="7")
    found = viz.effects(model, TEXT, Target(token=7, measure="log_probability"))
    assert any(f"**{found.value:.3g}** nats" in one for one in said(app))
    assert not [one for one in app.selectbox if one.label == "Against"]
    box(app, "effects measure").set_value("logit").run()
    assert app.query_params["measure"] == "logit"
    found = viz.effects(model, TEXT, Target(token=7, measure="logit"))
    assert any(f"**{found.value:.3g}** logits" in one for one in said(app))


def test_a_number_of_a_link_that_is_no_token_is_the_most_probable(link, model):
    app = link(predict="999999", against="888888")
    assert not app.exception
    assert not app.error
    told = [one.value for one in app.warning]
    assert any("The link names 999,999" in one for one in told)
    assert any("The link names 888,888" in one for one in told)
    found = viz.effects(model, TEXT)
    assert any(f"**{found.value:.3g}** logits" in one for one in said(app))


def test_views_that_are_open_lie_in_the_link(link):
    app = link(effects=False, open="effects,lens")
    assert heads_of(app) is not None
    assert any("layer 1" in one.value.index for one in app.dataframe)
    assert app.query_params["open"] == "effects,lens"
    strange = link(effects=False, open="nothing,of,the,kind")
    assert not strange.exception


def test_what_is_shown_of_weights_and_tokens_lies_in_the_link(link):
    app = link(weighed="share", attribution="rollout")
    for part in ("pattern by effect", "tokens"):
        app.session_state[f"effects {part}"] = True
    app.run()
    assert box(app, "effects pattern kind").value == "share"
    assert next(one for one in app.segmented_control if one.label == "Tokens by").value == "rollout"
    box(app, "effects pattern kind").set_value("value_norm").run()
    assert app.query_params["weighed"] == "value_norm"


def test_the_class_of_a_classifier_is_explained(link, tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=97,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
        id2label={0: "glad", 1: "sad", 2: "neither"},
        initializer_range=0.3,
    )
    folder = tmp_path / "models" / "feels"
    BertForSequenceClassification(config).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    model = viz.load_model(str(folder))
    app = link(model="feels")
    first = viz.effects(model, TEXT)
    name = config.id2label[first.objective.token]
    assert any(
        f"**{name}** over" in one and f"**{first.value:.3g}** logits" in one for one in said(app)
    )
    box(app, "effects predict").set_value(1)
    box(app, "effects against").set_value(0).run()
    found = viz.effects(model, TEXT, Target(token="sad", against="glad"))
    assert any(f"**sad** over **glad**: **{found.value:.3g}** logits" in one for one in said(app))
    assert heads_of(app)["at_position"].notna().all()
    for part in effects_view.MORE:
        app.session_state[f"effects {part}"] = True
    app.run()
    assert not app.exception
    assert not app.error


def test_a_text_is_compared_with_another_where_nothing_is_predicted(link, tmp_path):
    folder = save_small(tmp_path / "models" / "embeds")
    app = link(model="embeds")
    assert any("Give another text" in one.value for one in app.caption)
    field = next(one for one in app.text_input if one.label == "How near it is to")
    field.set_value("the dog sat").run()
    assert not app.exception
    assert app.query_params["similar"] == "the dog sat"
    found = viz.effects(viz.load_model(str(folder)), TEXT, Target(similar_to="the dog sat"))
    assert any(f"**Cosine** with the other text: **{found.value:.3g}**" in one for one in said(app))
    assert len(heads_of(app)) == len(found.heads)


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


def test_tokens_are_listed_by_every_method_that_is_known(link, model):
    app = opened_part(link, "tokens")
    found = viz.effects(model, TEXT)

    def listed():
        return next(one.value for one in app.dataframe if "Rollout" in one.value.columns)

    assert list(listed().columns) == ["token", "Gradient × input", "Relevance", "Rollout"]
    assert app.session_state["view"].attribution == "gradient_times_input"
    control = next(one for one in app.segmented_control if one.label == "Tokens by")
    for method in ("attn_lrp", "flow", "integrated_gradients", "leave_one_out"):
        control.set_value(method).run()
        assert not app.exception
        name = effects_tokens.METHODS[method].name
        assert listed()[name].tolist() == pytest.approx(
            found.tokens(method)["effect"].tolist(), abs=1e-5, nan_ok=True
        )
    assert any(one.value.startswith("Sums over all tokens: Gradient") for one in app.caption)
    ranks = token_agreement({name: found.tokens(name) for name in ("rollout", "leave_one_out")})
    assert any(f"Rollout {ranks['rollout']:.2f}" in one.value for one in app.caption)


def test_every_position_is_listed_with_what_is_predicted_there(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    model = viz.load_model(str(save_decoder(tmp_path / "models" / "foresees", layers=1, heads=2)))
    app = link(model="foresees")
    app.session_state["predictions open"] = True
    app.run()
    assert not app.exception
    listed = next(one.value for one in app.dataframe if "predicts" in one.value.columns)
    best = viz.capture(model, TEXT).output.argmax(dim=-1).tolist()
    assert listed["predicts"].tolist() == [label_alone(model.tokenizer, one) for one in best]


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


def test_predictions_after_each_layer_are_those_of_python(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    folder = save_decoder(tmp_path / "models" / "answers", layers=2, heads=2)
    model = viz.load_model(str(folder))
    app = link(effects=False, model="answers", open="lens")
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
