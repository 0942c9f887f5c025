"""How large what a value writes is, against the model's own projections multiplied out by hand."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, SMALL, built
from viz.effects import Target
from viz.errors import CaptureError, InputError

BERT = hf.BertConfig(
    **SMALL,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
)
GATED = hf.Qwen3NextConfig(
    **SMALL,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=1,
    layer_types=["full_attention"],
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    num_experts=2,
    num_experts_per_tok=1,
    moe_intermediate_size=16,
    shared_expert_intermediate_size=16,
)

# Where the values of layer 1 are made, which third of what comes out they are, and where heads are written.
DECODERS = {
    "multi-head": ("transformer.h.1.attn.c_attn", slice(64, 96), "transformer.h.1.attn.c_proj"),
    "grouped queries": (
        "model.layers.1.self_attn.v_proj",
        slice(None),
        "model.layers.1.self_attn.o_proj",
    ),
    "sinks, window, experts": (
        "model.layers.1.self_attn.v_proj",
        slice(None),
        "model.layers.1.self_attn.o_proj",
    ),
}


def value_of(module, name, part, inputs):
    """What a part of a model puts out for one input, [token, width]."""
    seen = []
    handle = module.get_submodule(name).register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        module(**inputs)
    handle.remove()
    return seen[0][0][:, part]


def norms_by_hand(values, matrix, heads):
    """The norm of each head's values behind its rows of a matrix [in, out]: [head, key]."""
    width = len(matrix) // heads
    of_keys = values.view(len(values), -1, width)
    groups = heads // of_keys.shape[1]
    parts = matrix.view(heads, width, -1)
    return torch.stack(
        [(of_keys[:, one // groups] @ parts[one]).norm(dim=-1) for one in range(heads)]
    )


def require_norms(found, norms, stack="self"):
    weights = found.weights("weight", 1, 2, stack=stack)
    ours = found.weights("value_norm", 1, 2, stack=stack)
    torch.testing.assert_close(ours, weights * norms[2], atol=1e-6, rtol=1e-4)
    part = found.weights("value_norm", 1, 2, [4, 1], [0, 3], stack=stack)
    torch.testing.assert_close(part, ours[[4, 1]][:, [0, 3]], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", DECODERS)
def test_a_weight_times_the_norm_of_what_its_value_writes(name):
    module = built(CAUSAL[name])
    made, part, written = DECODERS[name]
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS})
    projection = module.get_submodule(written)
    matrix = projection.weight if name == "multi-head" else projection.weight.T
    values = value_of(module, made, part, {"input_ids": IDS})
    require_norms(found, norms_by_hand(values, matrix.detach(), 4))


def test_the_projection_is_found_outside_the_part_that_attends():
    torch.manual_seed(0)
    module = hf.BertForMaskedLM(BERT).eval()
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, Target(position=3))
    layer = module.bert.encoder.layer[1].attention
    values = value_of(
        module, "bert.encoder.layer.1.attention.self.value", slice(None), {"input_ids": IDS}
    )
    require_norms(found, norms_by_hand(values, layer.output.dense.weight.T.detach(), 4))


def test_each_stack_of_an_encoder_decoder_has_its_own():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = viz.effects(viz.wrap_model(module), inputs)
    for stack, name in (
        ("encoder", "encoder.block.1.layer.0.SelfAttention"),
        ("decoder", "decoder.block.1.layer.0.SelfAttention"),
        ("cross", "decoder.block.1.layer.1.EncDecAttention"),
    ):
        values = value_of(module, f"{name}.v", slice(None), inputs)
        matrix = module.get_submodule(f"{name}.o").weight.T.detach()
        require_norms(found, norms_by_hand(values, matrix, 4), stack)


def test_what_is_gated_on_its_way_is_refused():
    found = viz.effects(viz.wrap_model(built(GATED)), {"input_ids": IDS})
    with pytest.raises(CaptureError, match=r"self_attn put out is not handed straight"):
        found.weights("value_norm", 0, 0)
    assert found.weights("weight_gradient", 0, 0).shape == (13, 13)


def test_an_unknown_kind_is_refused_with_those_there_are():
    found = viz.effects(viz.wrap_model(built(CAUSAL["grouped queries"])), {"input_ids": IDS})
    with pytest.raises(InputError, match=r"no kind of weights 'norm'.*value_norm"):
        found.weights("norm", 0, 0)


def test_of_a_real_model_the_first_token_is_looked_at_more_than_it_writes():
    found = viz.effects(viz.load_model("smollm2"), "The capital of France is the city of")
    last = [len(found.trace.units) - 1]
    heads = [(layer, head) for layer in range(30) for head in range(9)]
    weights, norms = (
        torch.stack([found.weights(kind, *head, last)[0] for head in heads])
        for kind in ("weight", "value_norm")
    )
    looked, written = (one[:, 0] / one.sum(dim=1) for one in (weights, norms))
    assert float(looked.mean()) > 0.5
    assert float(written.mean()) < 0.8 * float(looked.mean())
