"""The custom attention and its transformers, captured as every other model."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import viz
from tests.models.custom.models import inputs, kinds, tokenizer
from tests.models.custom.test_transformer import everything, ids
from tests.models.custom.weights import noise, randomised
from viz.models.custom import Attention, Transformer, TransformerOptions, build_model, save_model

EXACT = {"atol": 1e-6, "rtol": 0}

OPTIONS = {
    "plain": {},
    "one head": {"heads": 1},
    "fused": {"fused": True},
    "without biases": {"bias": False},
    "grouped": {"kv_heads": 2},
    "multi-query": {"kv_heads": 1},
    "unscaled": {"scaled": False},
    "cold": {"temperature": 0.5},
    "causal": {"causal": True},
    "rotary": {"rotary": True},
    "dropout": {"dropout": 0.5},
    "wide heads": {"d_head": 6, "d_value": 3},
    "unprojected": {"projections": False},
    "without output projection": {"output_projection": False},
    "additive": {"scores": "additive"},
    "additive, grouped and causal": {"scores": "additive", "kv_heads": 2, "causal": True},
}


class Holder(nn.Module):
    """A model that is one attention."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x, mask=None, present=None):
        return self.attention(x, mask=mask, present=present)[0]


def agree(stack, layer, expected):
    """Compare every head of a layer with explicit weights [head, query, key]."""
    assert stack.heads(layer) == len(expected)
    for head, weights in enumerate(expected):
        torch.testing.assert_close(stack.weights(layer, head), weights.float(), **EXACT)


@pytest.mark.parametrize("masks", ["none", "padding", "bool", "float", "by head", "nothing seen"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_variant_of_the_module_is_captured_exactly(options, masks):
    module = randomised(Attention(24, **{"heads": 4, **options}))
    x = noise(2, 7, 24, dtype=torch.float32)
    mask = noise(7, 7, seed=1, dtype=torch.float32)
    blind = torch.ones(7, 7, dtype=torch.bool)
    blind[3] = False
    asked = {
        "none": {},
        "padding": {"present": torch.arange(7)[None] < torch.tensor([[7], [4]])},
        "bool": {"mask": (mask > 0) | torch.eye(7, dtype=torch.bool)},
        "float": {"mask": mask},
        "by head": {"mask": noise(2, module.heads, 7, 7, seed=2, dtype=torch.float32)},
        "nothing seen": {"mask": blind},
    }[masks]
    with torch.inference_mode():
        expected = module.steps(x, **asked).weights
        output, _ = module(x, **asked)
    for item in (0, 1):
        trace = viz.capture(viz.wrap_model(Holder(module)), {"x": x, **asked}, item=item)
        agree(trace.stacks["self"], 0, expected[item])
        torch.testing.assert_close(trace.output, output[item])


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_attention_is_a_model_of_its_own(options):
    module = randomised(Attention(24, **{"heads": 4, **options}))
    x = noise(1, 7, 24, dtype=torch.float32)
    trace = viz.capture(viz.wrap_model(module), {"query": x})
    with torch.inference_mode():
        agree(trace.stacks["self"], 0, module.steps(x).weights[0])


@pytest.mark.parametrize("options", [{}, {"kv_heads": 2}, {"scores": "additive"}, {"kdim": 5}])
def test_cross_attention_is_captured_exactly(options):
    module = randomised(Attention(12, 4, **options))
    query = noise(2, 7, 12, dtype=torch.float32)
    key = noise(2, 9, module.kdim, seed=1, dtype=torch.float32)
    given_inputs = {
        "query": query,
        "key": key,
        "present": torch.arange(9)[None] < torch.tensor([[9], [6]]),
    }
    with torch.inference_mode():
        expected = module.steps(**given_inputs).weights
    for item in (0, 1):
        trace = viz.capture(viz.wrap_model(module), given_inputs, item=item)
        (stack,) = trace.stacks.values()
        agree(stack, 0, expected[item])


def test_a_module_in_training_is_refused():
    module = nn.Sequential(Attention(12, 4, dropout=0.5))
    model = viz.wrap_model(module)
    module.train()
    with pytest.raises(viz.LoupeError, match="training mode"):
        viz.capture(model, {"input": torch.randn(1, 5, 12)})


def explicit(module, source, target, **present):
    """Weights of every layer of each stack, as its own steps compute them."""
    with torch.inference_mode():
        read = module.encode(source, present=present.get("present"), need_weights=True)
        if module.options.architecture != "encoder-decoder":
            return {"self": read.weights}
        written = module.decode(
            target, read.tokens, source_present=present.get("present"), need_weights=True
        )
    return {"encoder": read.weights, "decoder": written.weights, "cross": written.cross_weights}


@settings(max_examples=40, deadline=None)
@given(everything(), st.integers(2, 9), st.integers(0, 1))
def test_every_transformer_is_captured_exactly(options, count, item):
    module = randomised(Transformer(options))
    source, target = ids(2, 9), ids(2, 5, seed=1)
    present = torch.arange(9)[None] < torch.tensor([[9], [count]])
    asked = {"given": source, "present": present}
    if options.architecture == "encoder-decoder":
        asked["target"] = target
    trace = viz.capture(viz.wrap_model(module), asked, item=item)
    expected = explicit(module, source, target, present=present)
    # Where both sides are of one length, or there is one kind of layer, names are fewer.
    assert set(trace.stacks) == set(expected)
    for name, layers in expected.items():
        assert trace.stacks[name].layers == len(layers) == options.layers
        for layer, weights in enumerate(layers):
            agree(trace.stacks[name], layer, weights[item])


@pytest.mark.parametrize("scores", ["dot", "additive"])
@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned", "rotary", "alibi"])
@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder-decoder"])
def test_a_folder_that_is_opened_shows_its_steps(tmp_path, architecture, positions, scores):
    reader = tokenizer(end=True)
    options = TransformerOptions(
        architecture=architecture,
        vocab_size=len(reader),
        positions=positions,
        scores=scores,
        kv_heads=2,
        dropout=0.1,
        attention_dropout=0.1,
    )
    model = viz.load_model(save_model(build_model(options, reader, seed=0), tmp_path, reader))
    both = architecture == "encoder-decoder"
    target = {"target": "the dog did not"} if both else {}
    trace = viz.capture(model, "the cat sat on the mat", **target)
    source = torch.tensor([trace.stacks["encoder" if both else "self"].queries.ids])
    written = torch.tensor([trace.stacks["decoder"].queries.ids]) if both else None
    for name, layers in explicit(model.module.transformer, source, written).items():
        for layer, weights in enumerate(layers):
            agree(trace.stacks[name], layer, weights[0])
            error = trace.stacks[name].provenance(layer).output_error
            assert error is not None
            assert error < 1e-5
    assert viz.check(model, "the cat sat on the mat", **target).exact
    assert model.tier == ("eager" if scores == "additive" else "hooks")


def test_a_causal_layer_is_kept_as_a_rule():
    model = viz.wrap_model(build_model(kinds()["LoupeForCausalLM"], tokenizer()), tokenizer())
    stack = viz.capture(model, "the cat sat on the mat").stacks["self"]
    assert [stack.provenance(layer).mask for layer in (0, 1)] == ["causal", "causal"]


def test_alibi_of_all_layers_is_kept_once():
    options = TransformerOptions(vocab_size=len(tokenizer()), positions="alibi", layers=4)
    model = viz.wrap_model(build_model(options, tokenizer()), tokenizer())
    stack = viz.capture(model, "the cat sat on the mat").stacks["self"]
    assert len({record.bias.data_ptr() for record in stack.records}) == 1
    assert stack.provenance(0).flags == ("position bias",)


@pytest.mark.parametrize("name", kinds())
def test_every_kind_of_model_is_captured(name):
    model = viz.wrap_model(build_model(kinds()[name], tokenizer(), seed=0))
    given_inputs = inputs(name)
    trace = viz.capture(model, given_inputs, item=1)
    check = viz.check(model, given_inputs, item=1)
    assert check.exact
    assert check.compared == len(check.layers) == (6 if "Conditional" in name else 2)
    assert trace.unshown == ()
    if name == "LoupeForImageClassification":
        assert trace.stacks["self"].queries.labels[:5] == ("0,0", "0,1", "0,2", "0,3", "1,0")


@pytest.mark.parametrize("name", ["LoupeForCausalLM", "LoupeForConditionalGeneration"])
def test_a_text_is_captured_as_it_is_written(name):
    module = build_model(kinds()[name], tokenizer(), seed=3)
    model = viz.wrap_model(module, tokenizer())
    trace = viz.capture_generation(model, "the cat sat", new_tokens=5)
    given_ids = torch.tensor([tokenizer()("the cat sat")["input_ids"]])
    written = module.generate(given_ids, max_new_tokens=5, do_sample=False)[0, :-1].tolist()
    stack = trace.stacks["self" if name == "LoupeForCausalLM" else "decoder"]
    assert list(stack.queries.ids) == written
    layers = explicit(
        module.transformer,
        *(
            (torch.tensor([written]), None)
            if name == "LoupeForCausalLM"
            else (given_ids, torch.tensor([written]))
        ),
    )
    for kind, weights in layers.items():
        for layer, own in enumerate(weights):
            agree(trace.stacks[kind], layer, own[0])


def test_a_trace_of_a_custom_model_survives_a_file(tmp_path):
    model = viz.wrap_model(build_model(kinds()["LoupeForCausalLM"], tokenizer()), tokenizer())
    trace = viz.capture(model, "the cat sat on the mat")
    trace.save(tmp_path / "run.safetensors")
    again = viz.load_trace(tmp_path / "run.safetensors")
    assert torch.equal(again.stacks["self"].weights(1, 3), trace.stacks["self"].weights(1, 3))
