"""Copying scores, against the whole token-to-logit map multiplied out by each model's own names of its parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import viz
from tests.effects.test_weight_gradients import CAUSAL, DECODER, ENCODER_DECODER, SMALL, built
from viz.errors import CancelledError
from viz.survey.measured import NotMeasured
from viz.survey.probes import copying
from viz.survey.probes.copying import copying_scores
from viz.survey.probes.repeated_sequences import repeated_scores

HEADS, D = 4, 8


def numbers(weight):
    return weight.detach().double().numpy()


def centring(width):
    return np.eye(width) - 1 / width


def by_hand(embedding, norms, values, outputs, unembedding):
    """The score of each head from the map of all tokens to all logits, [vocabulary, vocabulary].

    Norms are what each does to a row but for its scale: before the values, behind the output, before the unembedding.
    """
    before, behind, final = norms
    logits = numbers(unembedding).T
    logits = logits - logits.mean(axis=1, keepdims=True)
    scores = []
    for value, output in zip(values, outputs, strict=True):
        whole = numbers(embedding) @ before @ value @ output @ behind @ final @ logits
        eigenvalues = np.linalg.eigvals(whole)
        # All others are 0, but for rounding.
        largest = eigenvalues[np.argsort(-np.abs(eigenvalues))[: value.shape[1]]]
        scores.append(largest.sum().real / np.abs(largest).sum())
    return scores


def of_gpt2(module, layer):
    block, width = module.transformer.h[layer], HEADS * D
    before = centring(width) @ np.diag(numbers(block.ln_1.weight))
    final = centring(width) @ np.diag(numbers(module.transformer.ln_f.weight))
    value, output = (
        numbers(block.attn.c_attn.weight)[:, 2 * width :],
        numbers(block.attn.c_proj.weight),
    )
    return by_hand(
        module.transformer.wte.weight,
        (before, np.eye(width), final),
        [value[:, head * D :][:, :D] for head in range(HEADS)],
        [output[head * D :][:D] for head in range(HEADS)],
        module.lm_head.weight,
    )


def of_llama(module, layer, *, gain=0.0):
    block = module.model.layers[layer]
    before = np.diag(gain + numbers(block.input_layernorm.weight))
    final = np.diag(gain + numbers(module.model.norm.weight))
    behind = np.eye(HEADS * D)
    if gain:
        behind = np.diag(gain + numbers(block.post_attention_layernorm.weight))
    value = numbers(block.self_attn.v_proj.weight).T
    output = numbers(block.self_attn.o_proj.weight).T
    groups = HEADS // (value.shape[1] // D)
    return by_hand(
        module.model.embed_tokens.weight,
        (before, behind, final),
        [value[:, head // groups * D :][:, :D] for head in range(HEADS)],
        [output[head * D :][:D] for head in range(HEADS)],
        module.lm_head.weight,
    )


def of_gemma2(module, layer):
    # Its norms multiply with 1 + weight, and another one stands behind the output projection.
    return of_llama(module, layer, gain=1.0)


def of_neox(module, layer):
    block, width = module.gpt_neox.layers[layer], HEADS * D
    before = centring(width) @ np.diag(numbers(block.input_layernorm.weight))
    final = centring(width) @ np.diag(numbers(module.gpt_neox.final_layer_norm.weight))
    # Query, key and value of a head lie side by side.
    fused = numbers(block.attention.query_key_value.weight).T.reshape(width, HEADS, 3, D)
    output = numbers(block.attention.dense.weight).T
    return by_hand(
        module.gpt_neox.embed_in.weight,
        (before, np.eye(width), final),
        [fused[:, head, 2] for head in range(HEADS)],
        [output[head * D :][:D] for head in range(HEADS)],
        module.lm_head.weight,
    )


ORACLES = {
    "multi-head": of_gpt2,
    "grouped queries": of_llama,
    "one key-value head": of_llama,
    "norms of queries and keys": of_llama,
    "residual scales": of_llama,
    "soft cap, window": of_gemma2,
    "rotary on a part": of_neox,
}


@pytest.mark.parametrize("name", ORACLES)
def test_scores_are_those_of_the_whole_map_of_tokens_to_logits(name):
    module = built(CAUSAL[name])
    (found,) = copying_scores(viz.wrap_model(module))
    expected = [ORACLES[name](module, layer) for layer in range(2)]
    np.testing.assert_allclose(found.value, expected, atol=1e-5)
    assert (found.score, found.stack) == ("copying", "self")
    assert np.isnan(found.halves).all()
    assert (found.chance == 0).all()
    assert (found.counted == SMALL["vocab_size"]).all()
    assert not np.allclose(found.value, found.value[0, 0])


def test_blocks_of_the_vocabulary_change_nothing(monkeypatch):
    module = built(CAUSAL["multi-head"])
    (whole,) = copying_scores(viz.wrap_model(module))
    monkeypatch.setattr(copying, "TABLE_NUMBERS", 10 * HEADS * D)
    (blocks,) = copying_scores(viz.wrap_model(module))
    np.testing.assert_allclose(blocks.value, whole.value, atol=1e-9)


def test_a_head_turned_round_scores_the_opposite_and_a_silent_one_nothing():
    module = built(CAUSAL["grouped queries"])
    (before,) = copying_scores(viz.wrap_model(module))
    with torch.no_grad():
        output = module.model.layers[1].self_attn.o_proj.weight
        output[:, :D] *= -3
        output[:, D : 2 * D] = 0
    (after,) = copying_scores(viz.wrap_model(module))
    assert after.value[1, 0] == pytest.approx(-before.value[1, 0], abs=1e-5)
    assert np.isnan(after.value[1, 1])
    assert after.counted[1].tolist() == [97, 0, 97, 97]
    np.testing.assert_allclose(after.value[0], before.value[0], atol=1e-6)


def test_a_head_that_hands_embeddings_on_copies():
    config = hf.LlamaConfig(**{**DECODER, "tie_word_embeddings": True})
    module = built(config)
    with torch.no_grad():
        attention = module.model.layers[0].self_attn
        attention.o_proj.weight.copy_(attention.v_proj.weight.T)
        for norm in (module.model.norm, module.model.layers[0].input_layernorm):
            norm.weight.fill_(1.0)
    (found,) = copying_scores(viz.wrap_model(module))
    # What is read off a token is what is written for it, so that no eigenvalue is below 0.
    np.testing.assert_allclose(found.value[0], 1.0, atol=1e-6)


class Attention(nn.Module):
    """Heads of one fused layer, side by side."""

    def __init__(self):
        super().__init__()
        width = HEADS * D
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, states):
        parts = self.qkv(states).view(*states.shape[:2], 3, HEADS, D)
        query, key, value = (parts[:, :, part].transpose(1, 2) for part in range(3))
        heads = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(heads.transpose(1, 2).flatten(2))


class NormedEmbedding(nn.Module):
    """A stream that begins with a norm of the embedding itself."""

    def __init__(self):
        super().__init__()
        width = HEADS * D
        self.embed, self.first = nn.Embedding(97, width), nn.LayerNorm(width)
        self.norm, self.attention = nn.LayerNorm(width), Attention()
        self.last, self.logits = nn.LayerNorm(width), nn.Linear(width, 97)

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.logits

    def forward(self, input_ids):
        stream = self.first(self.embed(input_ids))
        return self.logits(self.last(stream + self.attention(self.norm(stream))))


def test_a_norm_of_the_embedding_counts_too():
    module = NormedEmbedding().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    (found,) = copying_scores(viz.wrap_model(module))
    first, before, final = (
        centring(HEADS * D) @ np.diag(numbers(norm.weight))
        for norm in (module.first, module.norm, module.last)
    )
    value, output = (
        numbers(module.attention.qkv.weight).T[:, 2 * HEADS * D :],
        numbers(module.attention.out.weight).T,
    )
    expected = by_hand(
        module.embed.weight,
        (first @ before, np.eye(HEADS * D), final),
        [value[:, head * D :][:, :D] for head in range(HEADS)],
        [output[head * D :][:D] for head in range(HEADS)],
        module.logits.weight,
    )
    np.testing.assert_allclose(found.value[0], expected, atol=1e-5)


def test_the_decoder_of_an_encoder_decoder_is_measured():
    (found,) = copying_scores(viz.wrap_model(built(ENCODER_DECODER["relative bias"])))
    assert found.stack == "decoder"
    assert np.isfinite(found.value).all()


def test_half_precision_changes_little():
    module = built(CAUSAL["grouped queries"])
    (exact,) = copying_scores(viz.wrap_model(module))
    (rounded,) = copying_scores(viz.wrap_model(module.to(torch.bfloat16)))
    np.testing.assert_allclose(rounded.value, exact.value, atol=0.03)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (built(ENCODER_DECODER["learnt positions"]), "cannot be divided among its parts"),
        (hf.BertForMaskedLM(hf.BertConfig(**DECODER)).eval(), "no norm of a sum"),
        (hf.BertModel(hf.BertConfig(**DECODER)).eval(), "predicts no tokens"),
        (
            hf.ViTModel(hf.ViTConfig(num_hidden_layers=1, image_size=32, patch_size=16)).eval(),
            "takes no input_ids",
        ),
        (
            hf.DeepseekV3ForCausalLM(
                hf.DeepseekV3Config(
                    **DECODER,
                    num_key_value_heads=4,
                    first_k_dense_replace=2,
                    q_lora_rank=16,
                    kv_lora_rank=16,
                    qk_rope_head_dim=4,
                    qk_nope_head_dim=8,
                    v_head_dim=8,
                )
            ).eval(),
            "not what one linear layer makes",
        ),
    ],
    ids=["post-norm", "masked", "no head", "no tokens", "latent values"],
)
def test_what_has_no_such_map_is_not_measured_with_the_reason(module, said):
    (found,) = copying_scores(viz.wrap_model(module))
    assert isinstance(found, NotMeasured)
    assert said in found.reason


def test_progress_counts_layers_and_may_cancel():
    model, told = viz.wrap_model(built(CAUSAL["multi-head"])), []
    copying_scores(model, progress=lambda *one: told.append(one))
    assert told == [(1, 2), (2, 2)]

    def stop(_done, _of):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        copying_scores(model, progress=stop)
    # It is put back to what it was.
    assert not any(
        part._forward_hooks or part._forward_pre_hooks for part in model.module.modules()
    )


def test_the_induction_heads_of_our_own_model_are_those_that_copy_most():
    model = viz.load_model("loupe", device="cpu", dtype="float32")
    (found,) = copying_scores(model)
    induction = repeated_scores(model, sequences=2)[2].value
    heads = induction > 0.5
    assert heads.sum() == 6
    assert found.value[heads].min() > 0.99 > found.value[~heads].max()


def test_the_induction_heads_of_a_larger_one_copy_but_for_one():
    (found,) = copying_scores(viz.load_model("smollm2", device="cpu", dtype="float32"))
    # 0.59, 0.48, 0.31 and -0.02; of all heads 41 % are above 0.5.
    assert [found.value[head] > 0.25 for head in ((18, 6), (17, 3), (17, 4), (17, 5))] == [
        True,
        True,
        True,
        False,
    ]
    assert abs(found.value[17, 5]) < 0.1
