"""Targets that are no token: classes, similarities and directions, against plain passes and autograd."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch.nn import functional

import viz
from tests.effects.test_weight_gradients import IDS, SMALL
from viz.effects import Edges, Target, rollout
from viz.errors import InputError, ShapeError

WIDTHS = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
NAMES = {
    "id2label": {0: "bad", 1: "good", 2: "neither"},
    "label2id": {"bad": 0, "good": 1, "neither": 2},
}
BERT = hf.BertConfig(**SMALL, **WIDTHS, max_position_embeddings=64, **NAMES)
OTHER = "The dog slept because the night was long."


def large(module):
    """Weights large enough for patterns that are far from even."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return module.eval()


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(1)
    return large(hf.BertForSequenceClassification(BERT))


@pytest.fixture(scope="module")
def sentences():
    return viz.load_model("minilm")


def eager_gradient(module, inputs, value_of, layer):
    """The gradient of a number by eager attention's weights, [head, query, key]."""
    module.set_attn_implementation("eager")
    result = module(**inputs, output_attentions=True)
    return torch.autograd.grad(value_of(result), result.attentions[layer])[0][0]


def without_head(module, name, head, inputs, value_of, rows=slice(None)):
    """A number where one head of 8 wide puts out 0 before the projection behind it."""

    def silence(_part, args):
        changed = args[0].clone()
        changed[:, rows, 8 * head : 8 * head + 8] = 0
        return (changed, *args[1:])

    handle = module.get_submodule(name).register_forward_pre_hook(silence)
    with torch.no_grad():
        found = float(value_of(module(**inputs)))
    handle.remove()
    return found


def test_a_class_is_explained_by_its_name(classifier):
    inputs = {"input_ids": IDS}
    found = viz.effects(viz.wrap_model(classifier), inputs, Target(token="good", against="neither"))
    assert found.objective.position is None

    def value_of(result):
        return result.logits[0, 1] - result.logits[0, 2]

    with torch.no_grad():
        assert found.value == pytest.approx(float(value_of(classifier(**inputs))), abs=1e-5)
    expected = eager_gradient(classifier, inputs, value_of, 0)
    for head in range(4):
        ours = found.weights("gradient", 0, head)
        torch.testing.assert_close(
            ours, expected[head], atol=1e-5 * float(expected.abs().max()), rtol=0
        )
    # There is no position of a class, so that heads are silenced everywhere.
    exact = found.heads.set_index(["layer", "head"])["at_position"]
    alone = without_head(
        classifier, "bert.encoder.layer.1.attention.output.dense", 2, inputs, value_of
    )
    assert exact[1, 2] == pytest.approx(alone - found.value, abs=1e-4)
    assert found.direct is None
    assert "whole input" in found.refused.message


def test_what_is_read_for_a_class_is_rolled_out(classifier):
    found = viz.effects(viz.wrap_model(classifier), {"input_ids": IDS})
    # This one reads its first token alone.
    expected = rollout(found.trace.stacks["self"], [0])[0]
    rolled = torch.tensor(found.tokens("rollout")["effect"].to_numpy(), dtype=torch.float32)
    torch.testing.assert_close(rolled, expected)


def test_edges_of_a_class_are_knocked_out(classifier):
    found = viz.effects(viz.wrap_model(classifier), {"input_ids": IDS}, Target(token="bad"))
    done = found.knock_out(edges=[Edges(columns=[4])])
    assert done.value == pytest.approx(found.value)
    assert done.without[0] != pytest.approx(found.value, abs=1e-4)


def test_classes_of_a_picture_and_of_each_token_are_explained():
    torch.manual_seed(2)
    vision = large(
        hf.ViTForImageClassification(hf.ViTConfig(**WIDTHS, image_size=16, patch_size=4, **NAMES))
    )
    picture = {"pixel_values": torch.randn(1, 3, 16, 16)}
    found = viz.effects(
        viz.wrap_model(vision), picture, Target(token="bad", measure="log_probability")
    )
    with torch.no_grad():
        logits = vision(**picture).logits[0]
    assert found.value == pytest.approx(float(torch.log_softmax(logits, -1)[0]), abs=1e-5)
    tokens = large(hf.BertForTokenClassification(BERT))
    found = viz.effects(
        viz.wrap_model(tokens), {"input_ids": IDS}, Target(position=4, token="neither")
    )
    assert (found.objective.position, found.objective.token) == (4, 2)


def test_a_class_that_is_none_is_said_with_those_there_are(classifier):
    model = viz.wrap_model(classifier)
    with pytest.raises(InputError, match=r"no class 'god'.*such as good"):
        viz.effects(model, {"input_ids": IDS}, Target(token="god"))
    with pytest.raises(InputError, match="no class 3; the model tells 3 apart"):
        viz.effects(model, {"input_ids": IDS}, Target(token=3))
    with pytest.raises(InputError, match="compared with itself"):
        viz.effects(model, {"input_ids": IDS}, Target(token="good", against="good"))


def test_one_class_alone_is_a_number():
    torch.manual_seed(3)
    config = hf.BertConfig(**SMALL, **WIDTHS, max_position_embeddings=64, num_labels=1)
    module = large(hf.BertForSequenceClassification(config))
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS})
    with torch.no_grad():
        assert found.value == pytest.approx(float(module(input_ids=IDS).logits), abs=1e-5)


def test_the_similarity_of_two_texts_is_explained(sentences):
    text = "A cat fell asleep since it was late at night."
    found = viz.effects(sentences, text, Target(similar_to=OTHER))

    def vector(given):
        ids = sentences.tokenizer(given, return_tensors="pt")
        return sentences.module(**ids).last_hidden_state[0].mean(dim=0)

    with torch.no_grad():
        expected = functional.cosine_similarity(vector(text), vector(OTHER), dim=0)
    assert found.value == pytest.approx(float(expected), abs=1e-5)
    # A word less is another text, whose vector is compared with the same.
    left = found.tokens("leave_one_out").set_index("token")["effect"]
    with torch.no_grad():
        shorter = functional.cosine_similarity(
            vector(text.replace("cat ", "")), vector(OTHER), dim=0
        )
    assert left["cat"] == pytest.approx(float(shorter - expected), abs=1e-4)
    assert found.heads["first_order"].notna().all()
    assert "no logit" in found.refused.message


def test_a_direction_of_the_states_is_explained(sentences):
    torch.manual_seed(4)
    direction = torch.randn(384)
    found = viz.effects(sentences, OTHER, Target(position=3, direction=direction))
    ids = sentences.tokenizer(OTHER, return_tensors="pt")
    with torch.no_grad():
        states = sentences.module(**ids).last_hidden_state[0]
    assert found.value == pytest.approx(float(states[3] @ direction), abs=1e-3)


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (Target(), InputError, r"predicts no tokens or classes.*similar_to"),
        (Target(direction=torch.zeros(7)), ShapeError, r"shape \(7,\).*384 numbers"),
        (Target(direction=torch.full((384,), torch.nan)), InputError, "not finite"),
        (Target(measure="similarity"), InputError, "without what it is measured by"),
        (Target(similar_to="a", direction=torch.zeros(384)), InputError, "together"),
        (Target(position=99, direction=torch.ones(384)), ShapeError, "no position 99"),
    ],
)
def test_what_cannot_be_explained_is_said(sentences, target, error, said):
    with pytest.raises(error, match=said):
        viz.effects(sentences, OTHER, target)


def test_tokens_have_no_direction():
    model = viz.load_model("smollm2")
    with pytest.raises(InputError, match="a number for each token or class"):
        viz.effects(model, "To be or not to be", Target(similar_to="To be"))
