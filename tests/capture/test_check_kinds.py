"""Real models that return something else than their weights, or fail when asked, are told so."""

from __future__ import annotations

import contextlib
import copy

import pytest
import torch
import transformers as hf

import viz
from benchmarks.architectures.inputs import candidates
from benchmarks.architectures.shrink import tiny_model
from tests.capture.architectures import ARCHITECTURES, token_ids

SINKLESS = "the model returns its rows without the sink's share"
SCORES = "the model returns its scores, before the softmax"
MEAN = "the model returns one mean over all heads"
HIDDEN = "the model returns hidden states (16 x 32) as its attentions"


def checked_of(model_type):
    module = tiny_model(model_type)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("sinks"):
                parameter.normal_()
    return viz.check(viz.wrap_model(module), inputs_of(module))


def inputs_of(module):
    """The first inputs of those that may fit which the model runs."""
    for inputs in filter(None, candidates(module)):
        with contextlib.suppress(Exception), torch.inference_mode():
            copy.deepcopy(module)(**inputs)
            return inputs
    raise AssertionError("no inputs fit")


@pytest.mark.parametrize(
    ("model_type", "note"),
    [
        ("granite_swa", SINKLESS),
        ("granitemoe_swa", SINKLESS),
        ("squeezebert", SCORES),
        ("wavlm", MEAN),
        ("qwen2_vl_vision", HIDDEN),
        ("xlnet", ""),
        ("bert", ""),
        ("gpt_oss", ""),
        ("lightglue", ""),
    ],
)
def test_what_is_returned_instead_of_weights_is_explained_and_not_held_against_the_capture(
    model_type, note
):
    checked = checked_of(model_type)
    assert note in set(checked.layers["note"])
    assert set(checked.layers["note"]) <= {note, ""}
    assert checked.compared == len(checked.layers)
    assert checked.exact
    assert checked.output_difference < 1e-5


def test_of_several_streams_the_one_that_is_returned_is_told_as_what_it_is():
    checked = checked_of("prophetnet")
    assert checked.exact
    assert {note.partition(" (")[0] for note in checked.layers["note"]} == {
        *(SCORES, "the model returns its weights in another layout"),
    }


@pytest.mark.parametrize("model_type", ["vit_mae", "vilt", "informer", "reformer"])
def test_a_model_that_draws_at_random_is_exact(model_type):
    checked = checked_of(model_type)
    assert checked.exact
    # Where eager attention is what the model was given with, ours adds up in another order.
    assert checked.output_difference < 1e-6


@pytest.mark.parametrize("model_type", ["llama4_vision_model", "maskformer-swin"])
def test_a_model_that_fails_when_it_is_asked_for_its_weights_is_compared_all_the_same(model_type):
    checked = checked_of(model_type)
    assert checked.exact
    told = set(checked.layers["note"])
    assert told <= {
        "",
        "the model's eager attention fails when it is asked for its weights "
        "(IndexError: tuple index out of range)",
    }


def test_eager_attention_that_cannot_run_is_an_answer():
    module = tiny_model("bert")
    honest = module.forward

    def refusing(**inputs):
        if module.config._attn_implementation == "eager":
            raise KeyError("no eager here")
        return honest(**inputs)

    module.set_attn_implementation("sdpa")
    inputs = inputs_of(module)
    model = viz.wrap_model(module)
    before = viz.capture(model, inputs)
    module.forward = refusing
    checked = viz.check(model, inputs)
    assert checked.compared == 0
    assert checked.holds
    why = "because the model's eager attention cannot run here \\(KeyError: 'no eager here'\\)"
    assert why.replace("\\", "") in checked.summary()
    again = viz.capture(model, inputs)
    assert torch.equal(again.stacks["self"].weights(0, 0), before.stacks["self"].weights(0, 0))


def test_eager_attention_that_gives_no_numbers_is_said():
    module = tiny_model("nemotron3_5_asr")
    module.set_attn_implementation("sdpa")
    checked = viz.check(viz.wrap_model(module), inputs_of(module))
    assert checked.compared == 0
    assert checked.output_difference < 1e-5
    assert "eager attention computes something else" in checked.summary()
    assert "its output is not finite" in checked.summary()
    assert "NOT exact" not in checked.summary()


class Returning(hf.BertModel):
    """Returns something of a test's own as its attentions; its layers use the weights all the same."""

    change = None

    def forward(self, *args, **kwargs):
        result = super().forward(*args, **kwargs)
        if result.attentions is not None:
            result["attentions"] = type(self).change(result)
        return result


RETURNED = {
    "the weights": (lambda result: result.attentions, ""),
    "copies": (lambda result: tuple(one.clone() for one in result.attentions), ""),
    "tuples of tuples": (lambda result: tuple((one,) for one in result.attentions), ""),
    "nothing": (lambda _: None, ""),
    "none of each": (lambda _: (None, None, None), ""),
    "logarithms": (
        lambda result: tuple(one.log() for one in result.attentions),
        "the model returns the logarithms of its weights",
    ),
    "means": (
        lambda result: tuple(one.mean(1) for one in result.attentions),
        "the model returns one mean over all heads",
    ),
    "turned": (
        lambda result: tuple(one.permute(2, 0, 1, 3) for one in result.attentions),
        "the model returns its weights in another layout (query x batch x head x key)",
    ),
    "hidden states": (
        lambda result: tuple([result.last_hidden_state] * 3),
        "the model returns hidden states (1 x 9 x 32) as its attentions",
    ),
    "sizes": (
        lambda result: tuple(one.sum((1, 2, 3)) for one in result.attentions),
        "the model returns its weights in another layout (1)",
    ),
    "squares": (
        lambda result: tuple(one.square() for one in result.attentions),
        "the weights that the model returns are not those that it used",
    ),
}


@pytest.mark.parametrize("name", RETURNED)
def test_whatever_is_returned_as_attentions_is_named_and_the_layers_compared(name):
    change, note = RETURNED[name]
    kind = type("Returning", (Returning,), {"change": staticmethod(change)})
    torch.manual_seed(7)
    config = copy.deepcopy(ARCHITECTURES["bert"][1])
    module = kind._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    checked = viz.check(viz.wrap_model(module), {"input_ids": token_ids(9)})
    assert checked.compared == 3
    assert checked.exact
    assert set(checked.layers["note"]) == {note}
