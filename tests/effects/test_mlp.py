"""Predictions without a layer's MLP, against a plain pass in which it puts out something else."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, SMALL, built
from viz.effects import Head, Mlp, Target, knock_out
from viz.errors import ModelRefusedError, ShapeError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2
OTHER = (IDS + 11) % 97

# The part that adds to the stream what layer 1 does beside its heads.
MLPS = {
    "multi-head": "transformer.h.1.mlp",
    "grouped queries": "model.layers.1.mlp",
    "soft cap, window": "model.layers.1.post_feedforward_layernorm",
    "sinks, window, experts": "model.layers.1.mlp",
    "rotary on a part": "gpt_neox.layers.1.mlp",
    "parallel blocks": "model.layers.1.mlp",
    "residual scales": "model.layers.1.mlp",
}


def without(module, name, inputs, chosen, value, rows=slice(None)):
    """The prediction where a part puts out a value at some rows."""

    def replace(_part, _args, output):
        states = output[0] if isinstance(output, tuple) else output
        changed = states.clone()
        changed[:, rows] = value if not isinstance(value, torch.Tensor) else value[rows]
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = module.get_submodule(name).register_forward_hook(replace)
    with torch.no_grad():
        found = float(chosen.of(module(**inputs).logits[0]))
    handle.remove()
    return found


def put_out(module, name, inputs):
    seen = []
    handle = module.get_submodule(name).register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        module(**inputs)
    handle.remove()
    return (seen[0][0] if isinstance(seen[0], tuple) else seen[0])[0]


@pytest.mark.parametrize("name", MLPS)
@pytest.mark.parametrize("queries", [None, [AT]])
def test_an_mlp_is_knocked_out_as_by_a_plain_hook(name, queries):
    module = built(CAUSAL[name])
    inputs = {"input_ids": IDS}
    found = knock_out(viz.wrap_model(module), inputs, TARGET, heads=[Mlp(1)], queries=queries)
    rows = slice(None) if queries is None else queries
    expected = without(module, MLPS[name], inputs, found.objective, 0.0, rows)
    assert found.without[0] == pytest.approx(expected, abs=1e-4)
    assert abs(found.without[0] - found.value) > 1e-3


@pytest.mark.parametrize("replacement", ["mean", "resample"])
def test_its_mean_or_another_text_takes_its_place(replacement):
    module = built(CAUSAL["grouped queries"])
    inputs, name = {"input_ids": IDS}, MLPS["grouped queries"]
    other = {"input_ids": OTHER} if replacement == "resample" else None
    found = knock_out(
        viz.wrap_model(module), inputs, TARGET, heads=[Mlp(1)], replacement=replacement, other=other
    )
    if replacement == "mean":
        value = put_out(module, name, inputs).mean(dim=0, keepdim=True).expand(IDS.shape[1], -1)
    else:
        value = put_out(module, name, other)
    expected = without(module, name, inputs, found.objective, value)
    assert found.without[0] == pytest.approx(expected, abs=1e-4)


def test_heads_attention_and_mlps_are_told_apart_in_the_table():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    found = knock_out(
        model, {"input_ids": IDS}, TARGET, heads=[Mlp(0), (0, None), Head(1, 2), Mlp(1)]
    )
    table = found.table.set_index(["part", "layer"])
    assert set(table.index) == {("mlp", 0), ("attention", 0), ("head", 1), ("mlp", 1)}
    assert table["head"].isna().sum() == 3
    alone = knock_out(model, {"input_ids": IDS}, TARGET, heads=[Mlp(1)])
    assert found.without[3] == pytest.approx(alone.without[0], abs=1e-5)


def test_of_an_encoder_decoder_it_is_the_decoders():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    target = Target(token=7, measure="logit")
    found = knock_out(viz.wrap_model(module), inputs, target, heads=[Mlp(1, stack="decoder")])
    name = "decoder.block.1.layer.2.DenseReluDense"
    expected = without(module, name, inputs, found.objective, 0.0)
    assert found.without[0] == pytest.approx(expected, abs=1e-4)


def test_a_layer_that_is_none_is_said():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(ShapeError, match="no layer 9"):
        knock_out(model, {"input_ids": IDS}, TARGET, heads=[Mlp(9)])


def test_a_stream_that_is_not_found_is_refused():
    # RoBERTa before norms: what is between its stream and its logits is no norm alone.
    torch.manual_seed(0)
    config = hf.RobertaPreLayerNormConfig(
        **SMALL,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    model = viz.wrap_model(hf.RobertaPreLayerNormForMaskedLM(config).eval())
    with pytest.raises(ModelRefusedError, match="cannot be divided among its parts"):
        knock_out(model, {"input_ids": IDS}, Target(position=3), heads=[Mlp(1)])
