"""Gradients by every weight, against autograd on the model's own eager attention."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import transformers as hf

import viz
from viz.effects import Target, knock_out, objective, weight_gradients
from viz.errors import CaptureError, InputError, ShapeError

SMALL = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
DECODER = {
    **SMALL,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = {**DECODER, "num_key_value_heads": 2}
SIDES = {"encoder_layers": 2, "decoder_layers": 2, "d_model": 32}
SIDE_HEADS = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
SIDE_WIDTHS = {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64}

# Each with what is particular to it.
CAUSAL = {
    "multi-head": hf.GPT2Config(**SMALL, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "grouped queries": hf.LlamaConfig(**GROUPED),
    "sliding window": hf.MistralConfig(**GROUPED, sliding_window=5),
    "soft cap, window": hf.Gemma2Config(
        **GROUPED, head_dim=8, sliding_window=5, attn_logit_softcapping=2.0
    ),
    "sinks, window, experts": hf.GptOssConfig(
        **GROUPED, head_dim=8, sliding_window=5, num_local_experts=2, num_experts_per_tok=1
    ),
    "norms of queries and keys": hf.Qwen3Config(**GROUPED, head_dim=8),
    "rotary on a part": hf.GPTNeoXConfig(**DECODER),
    "one key-value head": hf.LlamaConfig(**DECODER, num_key_value_heads=1),
    "residual scales": hf.GraniteConfig(
        **GROUPED,
        residual_multiplier=0.4,
        embedding_multiplier=3.0,
        attention_multiplier=0.3,
        logits_scaling=2.0,
    ),
    "parallel blocks": hf.CohereConfig(**GROUPED),
}
ENCODER_DECODER = {
    "relative bias": hf.T5Config(
        **SMALL, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0
    ),
    "learnt positions": hf.BartConfig(
        **SMALL, **SIDES, **SIDE_HEADS, **SIDE_WIDTHS, decoder_start_token_id=2
    ),
}
IDS = torch.tensor([[5, 17, 3, 88, 41, 17, 3, 60, 9, 12, 44, 5, 17]])


def built(config):
    torch.manual_seed(3)
    kind = hf.AutoModelForSeq2SeqLM if config.is_encoder_decoder else hf.AutoModelForCausalLM
    # A copy, because the attention that a model is set to is set in its configuration.
    module = kind.from_config(copy.deepcopy(config)).eval()
    with torch.no_grad():
        for weight in module.parameters():
            # Large enough for patterns that are far from even.
            weight.add_(torch.randn_like(weight) * 0.1)
    return module


def by_autograd(module, inputs, chosen, names):
    """The value, and the gradient by each tensor of weights that eager attention multiplied with."""
    module.set_attn_implementation("eager")
    result = module(**inputs, output_attentions=True, use_cache=False)
    weights = {name: getattr(result, name) for name in names}
    value = chosen.of(result.logits[0])
    flat = [one for layers in weights.values() for one in layers]
    grads = iter(torch.autograd.grad(value, flat))
    return float(value.detach()), {
        name: [(one[0].detach(), next(grads)[0]) for one in layers]
        for name, layers in weights.items()
    }


def require_same(found, expected, stack):
    for layer, (weights, gradients) in enumerate(expected):
        queries, keys = weights.shape[-2:]
        large = float(gradients.abs().max())
        for head in range(len(gradients)):
            ours = found.gradient(layer, head, stack=stack)
            assert ours.shape == (queries, keys)
            torch.testing.assert_close(ours, gradients[head], atol=1e-5 * large, rtol=0)
            torch.testing.assert_close(
                found.weight_times_gradient(layer, head, [2, 0], [1], stack=stack),
                (weights * gradients)[head][[2, 0]][:, [1]],
                atol=1e-5 * large,
                rtol=0,
            )


@pytest.mark.parametrize("name", CAUSAL)
def test_every_gradient_of_a_decoder_is_that_of_autograd(name):
    module = built(CAUSAL[name])
    wants = [one.requires_grad for one in module.parameters()]
    found = weight_gradients(
        viz.wrap_model(module), {"input_ids": IDS}, Target(position=-2, token=7, against=31)
    )
    assert [one.requires_grad for one in module.parameters()] == wants
    assert all(one.grad is None for one in module.parameters())
    value, expected = by_autograd(module, {"input_ids": IDS}, found.objective, ["attentions"])
    assert found.value == pytest.approx(value, abs=1e-4)
    require_same(found, expected["attentions"], "self")


@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_every_gradient_of_an_encoder_decoder_is_that_of_autograd(name):
    module = built(ENCODER_DECODER[name])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = weight_gradients(viz.wrap_model(module), inputs, Target(token=7, measure="logit"))
    stacks = {
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    value, expected = by_autograd(module, inputs, found.objective, stacks.values())
    assert found.value == pytest.approx(value, abs=1e-4)
    for stack, attentions in stacks.items():
        require_same(found, expected[attentions], stack)


def test_the_first_order_estimate_is_the_sum_of_weight_times_gradient():
    found = weight_gradients(viz.wrap_model(built(CAUSAL["grouped queries"])), {"input_ids": IDS})
    for layer, head in ((0, 0), (1, 3)):
        shares = found.weight_times_gradient(layer, head)
        assert float(found.first_order()[layer, head]) == pytest.approx(
            -float(shares.sum()), abs=1e-5
        )


@pytest.mark.parametrize("name", ["grouped queries", "sliding window"])
def test_padding_in_front_changes_no_gradient(name):
    model = viz.wrap_model(built(CAUSAL[name]))
    alone = weight_gradients(model, {"input_ids": IDS})
    padded = {
        "input_ids": torch.cat([torch.zeros(1, 3, dtype=torch.long), IDS], dim=1),
        "attention_mask": torch.tensor([[0] * 3 + [1] * 13]),
        "position_ids": torch.tensor([[0] * 3 + [*range(13)]]),
    }
    behind = weight_gradients(model, padded)
    assert behind.objective.position == 15
    for layer, head in ((0, 1), (1, 2)):
        torch.testing.assert_close(
            behind.gradient(layer, head, range(3, 16), range(3, 16)).tril(),
            alone.gradient(layer, head).tril(),
            atol=1e-5,
            rtol=1e-4,
        )


@pytest.mark.parametrize("item", [0, 1])
def test_of_a_batch_one_input_is_explained(item):
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    batch = torch.cat([IDS, IDS.flip(1)])
    among = weight_gradients(model, {"input_ids": batch}, item=item)
    alone = weight_gradients(model, {"input_ids": batch[item : item + 1]})
    torch.testing.assert_close(among.gradient(1, 2), alone.gradient(1, 2), atol=1e-5, rtol=1e-4)
    assert among.objective == alone.objective


@pytest.fixture(scope="module")
def language():
    return viz.load_model("smollm2", device="cpu", dtype="float32")


def test_a_target_is_a_token_by_its_text_against_the_runner_up(language):
    trace = viz.capture(language, "The capital of France is")
    first, second = trace.output[-1].topk(2).indices.tolist()
    assert objective(Target(), trace).token == first
    assert objective(Target(), trace).against == second
    assert objective(Target(token=second), trace).against == first
    paris = language.tokenizer.encode(" Paris")[0]
    chosen = objective(Target(token=" Paris", measure="log_probability"), trace, language)
    assert (chosen.position, chosen.token, chosen.against) == (4, paris, None)
    expected = torch.log_softmax(trace.output[-1].double(), 0)[paris]
    assert float(chosen.of(trace.output)) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (Target(token=" Parisian streets"), InputError, "no single token: it is cut into"),
        (Target(token=" Paris", against=" Paris"), InputError, "compared with itself"),
        (Target(position=5), ShapeError, "There is no position 5; the model predicts at 5"),
        (Target(position=-6), ShapeError, "There is no position -6"),
        (Target(token=49152), InputError, "There is no token 49152; the vocabulary has 49,152"),
        (Target(token=""), InputError, "is no token of the vocabulary"),
        (Target(measure="chance"), InputError, "There is no measure 'chance'"),
    ],
)
def test_a_target_that_is_none_is_said_in_a_sentence(language, target, error, said):
    trace = viz.capture(language, "The capital of France is")
    with pytest.raises(error, match=said):
        objective(target, trace, language)


def test_a_model_that_predicts_nothing_is_refused():
    model = viz.load_model("minilm", device="cpu")
    with pytest.raises(InputError, match="predicts no tokens"):
        weight_gradients(model, "The cat sat.")


def test_a_model_that_writes_its_attention_by_hand_is_refused():
    module = hf.GPTNeoForCausalLM(
        hf.GPTNeoConfig(
            **SMALL,
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            max_position_embeddings=64,
        )
    )
    with pytest.raises(CaptureError, match="GPTNeoForCausalLM computes its attention by itself"):
        weight_gradients(viz.wrap_model(module.eval()), {"input_ids": IDS})


def test_toward_another_text_the_estimate_is_that_of_putting_its_outputs_in():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    chosen = Target(position=11, token=7, against=31)
    one = weight_gradients(model, {"input_ids": IDS}, chosen)
    other = weight_gradients(model, {"input_ids": IDS.flip(1)}, chosen)
    toward = one.first_order(toward=other)
    for layer in range(2):
        own, theirs = one.layers["self"][layer], other.layers["self"][layer]
        moved = (own.gradient * (theirs.output - own.output)).sum(dim=(1, 2))
        torch.testing.assert_close(toward[layer], moved, atol=1e-6, rtol=1e-5)
    # From the whole way to a small part of it, the estimate comes to be exact.
    exact = knock_out(
        model,
        {"input_ids": IDS},
        chosen,
        heads=[(1, 2)],
        replacement="resample",
        other={"input_ids": IDS.flip(1)},
    )
    assert np.sign(exact.without[0] - exact.value) == np.sign(float(toward[1, 2]))
    short = weight_gradients(model, {"input_ids": IDS[:, :5]}, Target())
    with pytest.raises(ShapeError, match="other text has 5 positions"):
        one.first_order(toward=short)
