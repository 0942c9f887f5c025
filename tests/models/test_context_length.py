"""How many tokens a model reads, by how it makes their positions."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from viz.models.context_length import context_limit

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
}


def llama(**rope):
    rope = {"rope_theta": 10_000.0, **rope}
    return hf.LlamaModel(hf.LlamaConfig(**SMALL, rope_parameters=rope))


def bert_like(kind, config, **options):
    small = {name: value for name, value in SMALL.items() if name != "num_key_value_heads"}
    return kind(config(**small, **options))


MODELS = [
    (lambda: llama(rope_type="default"), 32),
    (lambda: llama(rope_type="dynamic", factor=2.0), None),
    (lambda: llama(rope_type="linear", factor=4.0), 128),
    (lambda: llama(rope_type="yarn", factor=4.0, original_max_position_embeddings=16), 64),
    (lambda: bert_like(hf.BertModel, hf.BertConfig), 32),
    (lambda: bert_like(hf.RobertaModel, hf.RobertaConfig, pad_token_id=1), 30),
    (
        lambda: hf.GPT2Model(
            hf.GPT2Config(vocab_size=97, n_embd=32, n_layer=1, n_head=4, n_positions=40)
        ),
        40,
    ),
    (
        lambda: hf.OPTModel(
            hf.OPTConfig(
                vocab_size=97,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=4,
                ffn_dim=48,
                max_position_embeddings=32,
                word_embed_proj_dim=32,
            )
        ),
        32,
    ),
    (
        lambda: hf.BloomModel(hf.BloomConfig(vocab_size=97, hidden_size=32, n_layer=1, n_head=4)),
        None,
    ),
    (
        lambda: hf.FalconModel(
            hf.FalconConfig(
                vocab_size=97,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=4,
                alibi=True,
            )
        ),
        None,
    ),
    (
        lambda: hf.T5Model(
            hf.T5Config(vocab_size=97, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)
        ),
        None,
    ),
]


@pytest.mark.parametrize(("made", "limit"), MODELS)
def test_the_limit_is_that_of_how_positions_are_made(made, limit):
    assert context_limit(made(), None) == limit


@pytest.mark.parametrize("tokens", [48, 100])
def test_a_text_that_dynamic_positions_stretch_for_is_captured_as_the_model_reads_it(tokens):
    torch.manual_seed(0)
    module = llama(rope_type="dynamic", factor=2.0).eval()
    ids = torch.randint(5, 97, (1, tokens))
    module.set_attn_implementation("eager")
    with torch.inference_mode():
        own = module(ids, output_attentions=True).attentions[0][0]
    stack = viz.capture(viz.wrap_model(module), {"input_ids": ids}).stacks["self"]
    torch.testing.assert_close(stack.weights(0, 1), own[1], atol=1e-5, rtol=0)


def test_a_table_that_is_too_short_refuses_before_it_breaks():
    model = viz.wrap_model(bert_like(hf.BertModel, hf.BertConfig).eval())
    with pytest.raises(viz.LoupeError, match="has 40 tokens; BertModel reads 32"):
        viz.capture(model, {"input_ids": torch.full((1, 40), 7)})


def test_a_decoders_shorter_table_limits_no_text_that_the_encoder_reads():
    config = hf.LEDConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        vocab_size=32,
        attention_window=8,
        max_encoder_position_embeddings=256,
        max_decoder_position_embeddings=64,
    )
    assert viz.wrap_model(hf.LEDModel(config).eval()).context_limit == 256
