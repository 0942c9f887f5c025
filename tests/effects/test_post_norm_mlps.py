"""MLPs of models that norm the stream behind each part, against a plain hook on what puts them out."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn

import viz
from tests.effects.test_mlp import put_out, without
from tests.effects.test_weight_gradients import ENCODER_DECODER, IDS, SMALL, built
from viz.effects import Head, Mlp, Target, knock_out
from viz.effects.captured_pass import captured_pass
from viz.effects.mlp_parts import mlp_states
from viz.errors import ModelRefusedError, ShapeError

ENCODER = {
    **SMALL,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
DISTILLED = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
TARGET = Target(position=3, token=7, against=31)
TEXT = {"input_ids": IDS}
OTHER = {"input_ids": (IDS + 11) % 97}
BOTH = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}

# The model, and the part that puts out what a layer adds beside its heads.
MODELS = {
    "BERT": (
        lambda: hf.BertForMaskedLM(hf.BertConfig(**ENCODER)),
        "bert.encoder.layer.{}.output.dense",
    ),
    # As wide within as without, so that widths tell nothing.
    "narrow": (
        lambda: hf.BertForMaskedLM(hf.BertConfig(**{**ENCODER, "intermediate_size": 32})),
        "bert.encoder.layer.{}.output.dense",
    ),
    "DistilBERT": (
        lambda: hf.DistilBertForMaskedLM(
            hf.DistilBertConfig(**SMALL, **DISTILLED, max_position_embeddings=64)
        ),
        "distilbert.transformer.layer.{}.ffn.lin2",
    ),
    "classifier": (
        lambda: hf.BertForSequenceClassification(hf.BertConfig(**ENCODER)),
        "bert.encoder.layer.{}.output.dense",
    ),
}


def drawn(make):
    torch.manual_seed(3)
    module = make().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return module


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("queries", [None, [3]])
def test_an_mlp_is_knocked_out_as_by_a_plain_hook(name, layer, queries):
    make, part = MODELS[name]
    module = drawn(make)
    target = Target(token=1, against=0) if name == "classifier" else TARGET
    found = knock_out(viz.wrap_model(module), TEXT, target, heads=[Mlp(layer)], queries=queries)
    rows = slice(None) if queries is None else queries
    with_hook = without(module, part.format(layer), TEXT, found.objective, 0.0, rows)
    assert found.without[0] == pytest.approx(with_hook, abs=1e-5)
    if name != "classifier" or queries is None:
        assert abs(found.without[0] - found.value) > 1e-3


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("inputs", [BOTH, {**BOTH, "decoder_input_ids": IDS.flip(1)}])
def test_of_an_encoder_decoder_it_is_that_of_the_stack(stack, layer, inputs):
    module = built(ENCODER_DECODER["learnt positions"])
    target = Target(token=7, measure="logit")
    found = knock_out(viz.wrap_model(module), inputs, target, heads=[Mlp(layer, stack)])
    part = f"model.{stack}.layers.{layer}.fc2"
    expected = without(module, part, inputs, found.objective, 0.0)
    assert found.without[0] == pytest.approx(expected, abs=1e-5)
    assert abs(found.without[0] - found.value) > 1e-3


@pytest.mark.parametrize("replacement", ["mean", "resample"])
@pytest.mark.parametrize("name", ["BERT", "DistilBERT"])
def test_its_mean_or_another_text_takes_its_place(name, replacement):
    make, part = MODELS[name]
    module = drawn(make)
    other = OTHER if replacement == "resample" else None
    found = knock_out(
        viz.wrap_model(module), TEXT, TARGET, heads=[Mlp(1)], replacement=replacement, other=other
    )
    if replacement == "mean":
        value = put_out(module, part.format(1), TEXT).mean(dim=0, keepdim=True)
        value = value.expand(IDS.shape[1], -1)
    else:
        value = put_out(module, part.format(1), other)
    expected = without(module, part.format(1), TEXT, found.objective, value)
    assert found.without[0] == pytest.approx(expected, abs=1e-5)


def test_layers_that_share_their_parts_are_told_apart_by_turns():
    # ALBERT runs one layer several times.
    config = hf.AlbertConfig(**{**ENCODER, "num_hidden_layers": 3}, embedding_size=16)
    module = drawn(lambda: hf.AlbertForMaskedLM(config))
    found = knock_out(viz.wrap_model(module), TEXT, TARGET, heads=[Mlp(0), Mlp(1), Mlp(2)])
    part = module.get_submodule("albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output")
    for layer in range(3):
        turns = []

        def silence(_part, _args, output, turns=turns, layer=layer):
            turns.append(1)
            return output * 0 if len(turns) == layer + 1 else output

        handle = part.register_forward_hook(silence)
        with torch.no_grad():
            expected = float(found.objective.of(module(**TEXT).logits[0]))
        handle.remove()
        assert found.without[layer] == pytest.approx(expected, abs=1e-5)


class Tagger(nn.Module):
    """The first transformer's layers, as PyTorch has them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(97, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 48, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.tag = nn.Linear(32, 97)

    def forward(self, input_ids):
        return self.tag(self.layers(self.embed(input_ids)))


def test_layers_of_pytorch_itself_have_them_too():
    module = drawn(Tagger)
    target = Target(position=3, direction=torch.eye(97)[7])
    found = knock_out(viz.wrap_model(module), TEXT, target, heads=[Mlp(0), Mlp(1)])
    for layer in range(2):
        part = module.layers.layers[layer].linear2
        handle = part.register_forward_hook(lambda _part, _args, output: output * 0)
        # With gradients, so that PyTorch's fused layer, which calls no part, stands aside.
        expected = float(found.objective.of(module(**TEXT)[0]).detach())
        handle.remove()
        assert found.without[layer] == pytest.approx(expected, abs=1e-5)
        assert abs(expected - found.value) > 1e-3


def test_what_each_part_puts_out_is_all_that_its_norm_was_handed_beside_the_stream():
    module = drawn(MODELS["BERT"][0])
    states = mlp_states(captured_pass(viz.wrap_model(module), TEXT, TARGET))
    assert set(states) == {("self", 0), ("self", 1)}
    for (_, layer), parts in states.items():
        name = f"bert.encoder.layer.{layer}"
        (one,) = parts
        assert (one.call.name, one.call.turn) == (f"{name}.output.dense", 0)
        handed, stream = [], []
        handles = [
            module.get_submodule(f"{name}.{part}").register_forward_hook(hook)
            for part, hook in (
                ("attention.output.LayerNorm", lambda _p, _a, out, to=stream: to.append(out)),
                ("output.LayerNorm", lambda _p, args, _o, to=handed: to.append(args[0])),
            )
        ]
        with torch.no_grad():
            module(**TEXT)
        for handle in handles:
            handle.remove()
        torch.testing.assert_close(stream[0][0] + one.output, handed[0][0], atol=1e-5, rtol=1e-5)


def test_heads_and_mlps_of_a_bert_stand_in_one_table():
    model = viz.wrap_model(drawn(MODELS["BERT"][0]))
    found = knock_out(model, TEXT, TARGET, heads=[Mlp(0), Head(1, 2), Head(0, None)])
    assert set(found.table["part"]) == {"mlp", "head", "attention"}


class Weighed(nn.Module):
    """A layer's last step, but that the MLP's output counts twice: not what the norm was handed itself."""

    def __init__(self, inner):
        super().__init__()
        self.dense, self.LayerNorm = inner.dense, inner.LayerNorm

    def forward(self, states, stream):
        return self.LayerNorm(self.dense(states) * 2 + stream)


def test_what_is_not_proven_is_refused():
    module = drawn(MODELS["BERT"][0])
    module.bert.encoder.layer[1].output = Weighed(module.bert.encoder.layer[1].output)
    with pytest.raises(ModelRefusedError, match="cannot be divided among its parts"):
        knock_out(viz.wrap_model(module), TEXT, TARGET, heads=[Mlp(0)])


def test_a_stack_of_which_no_mlp_is_known_is_said():
    model = viz.wrap_model(built(ENCODER_DECODER["learnt positions"]))
    with pytest.raises(ShapeError, match="Layer 0 of cross has no MLP"):
        knock_out(model, BOTH, Target(token=7), heads=[Mlp(0, "cross")])
