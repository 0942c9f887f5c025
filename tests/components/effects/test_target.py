"""What is explained is chosen, typed, or asked for by a link."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

import viz
from components.panels import effects_view
from tests.components.effects.page import TEXT, box, heads_of, opened_part, said
from tests.models.folders import save_small, word_tokenizer
from viz.effects import Head, Target, knock_out


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


def test_what_was_found_of_one_text_to_compare_with_is_not_shown_for_another(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    folder = save_small(tmp_path / "models" / "likens")
    model = viz.load_model(str(folder))
    app = opened_part(link, "layers", model="likens", similar="the dog sat")
    for text in ("the dog sat", "on the mat"):
        next(one for one in app.text_input if one.label == "How near it is to").set_value(
            text
        ).run()
        assert not app.exception
        (_, (changes, _)) = app.session_state["effects layers found"]
        expected = knock_out(model, TEXT, Target(similar_to=text), heads=[Head(1, None)])
        change = changes.set_index(["part", "layer"])["change"]["attention", 1]
        assert change == pytest.approx(expected.without[0] - expected.value, abs=1e-5)
