"""Small random models of the architectures that capture must be exact for."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf

VOCABULARY = 97
ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}
DECODER = {**ENCODER, "bos_token_id": 1, "eos_token_id": 2}
GROUPED = {**DECODER, "num_key_value_heads": 2}

ARCHITECTURES: dict[str, tuple[type, Any]] = {
    "bert": (hf.BertModel, hf.BertConfig(**ENCODER)),
    "roberta": (hf.RobertaForMaskedLM, hf.RobertaConfig(**{**ENCODER, "pad_token_id": 1})),
    "distilbert": (
        hf.DistilBertForMaskedLM,
        hf.DistilBertConfig(vocab_size=VOCABULARY, dim=32, n_layers=3, n_heads=4, hidden_dim=48),
    ),
    "albert": (
        hf.AlbertModel,
        hf.AlbertConfig(**{**ENCODER, "embedding_size": 16, "bos_token_id": 2, "eos_token_id": 3}),
    ),
    "electra": (hf.ElectraModel, hf.ElectraConfig(**ENCODER, embedding_size=16)),
    "modernbert": (
        hf.ModernBertModel,
        hf.ModernBertConfig(**DECODER, cls_token_id=3, sep_token_id=4, local_attention=8),
    ),
    "gpt2": (
        hf.GPT2LMHeadModel,
        hf.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=128),
    ),
    "gpt_neox": (hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig(**DECODER)),
    "opt": (
        hf.OPTForCausalLM,
        hf.OPTConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            ffn_dim=48,
            word_embed_proj_dim=32,
            max_position_embeddings=128,
        ),
    ),
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig(**GROUPED)),
    "mistral": (hf.MistralForCausalLM, hf.MistralConfig(**GROUPED, sliding_window=7)),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config(**GROUPED, head_dim=16)),
    "phi3": (hf.Phi3ForCausalLM, hf.Phi3Config(**GROUPED)),
    "gemma2": (
        hf.Gemma2ForCausalLM,
        hf.Gemma2Config(**GROUPED, head_dim=8, sliding_window=7, attn_logit_softcapping=2.0),
    ),
    "gpt_oss": (
        hf.GptOssForCausalLM,
        hf.GptOssConfig(
            **GROUPED,
            head_dim=8,
            sliding_window=8,
            num_local_experts=2,
            num_experts_per_tok=1,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
    ),
}


def build(name: str) -> torch.nn.Module:
    """Make the same random model each time, with weights large enough for uneven attention."""
    torch.manual_seed(7)
    kind, config = ARCHITECTURES[name]
    module = kind._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    return module


def token_ids(length: int, seed: int = 0) -> torch.Tensor:
    """Random ids that are no special tokens, shape [1, length]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, VOCABULARY, (1, length), generator=generator)
