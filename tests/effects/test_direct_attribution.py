"""Shares of a logit, against the parts of a plain pass multiplied out by hand."""

from __future__ import annotations

import re

import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import (
    CAUSAL,
    DECODER,
    ENCODER_DECODER,
    IDS,
    SMALL,
    built,
)
from viz.effects import Target, direct_attribution
from viz.errors import InputError, ModelRefusedError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


def heard(module, names, inputs):
    """What some parts were handed and returned at the position, in one plain pass."""
    found = {}

    def note(name):
        def hook(_part, args, output):
            result = output[0] if isinstance(output, tuple) else output
            found[name] = (args[0][0, AT] if args else None, result[0, AT])

        return hook

    handles = [module.get_submodule(name).register_forward_hook(note(name)) for name in names]
    with torch.no_grad():
        module(**inputs)
    for handle in handles:
        handle.remove()
    return found


def by_hand(module, final, output_of, parts, sandwich=None):
    """Shares of heads [layer, head] and of other parts, each through its own matrix and the frozen norms."""
    names = [final, *(name.format(layer) for name in parts.values() for layer in range(2))]
    names += [] if sandwich is None else [sandwich.format(layer) for layer in range(2)]
    found = heard(module, names, {"input_ids": IDS})
    unembedding = module.get_output_embeddings().weight
    direction = unembedding[7] - unembedding[31]
    given, result = found[final]
    if isinstance(module.get_submodule(final), torch.nn.LayerNorm):
        part = module.get_submodule(final)
        scaled = direction * part.weight / torch.sqrt(given.var(unbiased=False) + part.eps)
        direction = scaled - scaled.mean()
    else:
        direction = direction * result / given
    heads = torch.zeros(2, 4)
    for layer in range(2):
        name = parts["attention"].format(layer)
        own = direction
        if sandwich is not None:
            before, after = found[sandwich.format(layer)]
            own = direction * after / before
        matrix = output_of(module.get_submodule(name))  # [d_model, heads * d]
        mixed = found[name][0].view(4, -1)
        for head in range(4):
            width = mixed.shape[1]
            columns = matrix[:, head * width : (head + 1) * width]
            heads[layer, head] = own @ (columns @ mixed[head])
    mlps = [float(direction @ found[parts["mlp"].format(layer)][1]) for layer in range(2)]
    return heads, mlps


@pytest.mark.parametrize(
    ("name", "final", "parts", "sandwich"),
    [
        (
            "grouped queries",
            "model.norm",
            {"attention": "model.layers.{}.self_attn.o_proj", "mlp": "model.layers.{}.mlp"},
            None,
        ),
        (
            "multi-head",
            "transformer.ln_f",
            {"attention": "transformer.h.{}.attn.c_proj", "mlp": "transformer.h.{}.mlp"},
            None,
        ),
        (
            "soft cap, window",
            "model.norm",
            {
                "attention": "model.layers.{}.self_attn.o_proj",
                "mlp": "model.layers.{}.post_feedforward_layernorm",
            },
            "model.layers.{}.post_attention_layernorm",
        ),
    ],
)
def test_every_share_is_what_its_matrix_writes_into_the_logit(name, final, parts, sandwich):
    module = built(CAUSAL[name])
    found = direct_attribution(viz.wrap_model(module), {"input_ids": IDS}, TARGET)

    def matrix_of(part):
        return part.weight.T if isinstance(part, hf.pytorch_utils.Conv1D) else part.weight

    with torch.no_grad():
        heads, mlps = by_hand(module, final, matrix_of, parts, sandwich)
    large = float(heads.abs().max())
    torch.testing.assert_close(found.heads(), heads, atol=1e-4 * large, rtol=1e-4)
    own = [one.share for one in found.shares if one.kind == "mlp"]
    assert own == pytest.approx(mlps, rel=1e-3, abs=1e-4 * large)


@pytest.mark.parametrize("name", CAUSAL)
def test_shares_add_up_to_the_logit(name):
    module = built(CAUSAL[name])
    found = direct_attribution(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    assert found.sum == pytest.approx(found.value, abs=1e-4 * max(1, abs(found.value)))
    with torch.no_grad():
        logits = module(IDS).logits[0, AT]
    said = float(logits[7] - logits[31])
    # Gemma's cap, and Cohere's and Granite's scales, lie between the sum and what is said.
    assert found.capped == (name in ("soft cap, window", "parallel blocks", "residual scales"))
    if not found.capped:
        assert found.value == pytest.approx(said, abs=1e-4 * max(1, abs(said)))
    kinds = [one.kind for one in found.shares]
    assert kinds.count("head") == 8
    assert [one.layer for one in found.shares if one.kind == "mlp"] == [0, 1]
    assert {"embedding", "bias", "attention bias"} <= set(kinds)
    assert found.table["share"].abs().is_monotonic_decreasing


def test_of_an_encoder_decoder_the_decoders_heads_have_shares():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = direct_attribution(viz.wrap_model(module), inputs, Target(token=7, measure="logit"))
    assert {one.stack for one in found.shares if one.kind == "head"} == {"decoder", "cross"}
    assert [one.layer for one in found.shares if one.kind == "mlp"] == [0, 1]
    with torch.no_grad():
        said = float(module(**inputs).logits[0, -1, 7])
    assert found.sum == pytest.approx(said, abs=1e-4 * max(1, abs(said)))


def test_a_part_that_adds_nothing_has_no_share():
    module = built(CAUSAL["grouped queries"])
    with torch.no_grad():
        module.model.layers[1].self_attn.o_proj.weight[:, 8:16] = 0
        module.model.layers[0].mlp.down_proj.weight.zero_()
    found = direct_attribution(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    heads = found.heads()
    assert float(heads[1, 1]) == 0
    assert float(heads[1, 0]) != 0
    (first, _) = (one.share for one in found.shares if one.kind == "mlp")
    assert first == 0


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (built(ENCODER_DECODER["learnt positions"]), "normalised within it"),
        (
            hf.BertForMaskedLM(
                hf.BertConfig(
                    **{name: value for name, value in DECODER.items() if name != "bos_token_id"}
                )
            ).eval(),
            "no norm of a sum",
        ),
        (
            hf.BertModel(
                hf.BertConfig(**SMALL, hidden_size=32, num_attention_heads=4, intermediate_size=48)
            ).eval(),
            "predicts no tokens",
        ),
    ],
    ids=["post-norm", "masked", "no head"],
)
def test_what_has_no_residual_stream_is_refused_with_the_reason(module, said):
    inputs = {"input_ids": IDS}
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = IDS[:, :5]
    with pytest.raises((ModelRefusedError, InputError), match=said):
        direct_attribution(viz.wrap_model(module), inputs, Target(token=7, measure="logit"))


def test_a_logarithm_is_no_sum():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(InputError, match=re.escape("is no sum of shares")):
        direct_attribution(model, {"input_ids": IDS}, Target(token=7, measure="log_probability"))
