"""A small random model that reads long texts, saved as a folder for the app to open."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LONGEST = 131_072
WORDS = [f"word{number}" for number in range(500)]


def save_long_model(folder: Path, *, layers: int = 4, heads: int = 8, width: int = 64) -> Path:
    """Save a random decoder whose every word is one token."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS) + 1,
        hidden_size=heads * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=2 * heads * width,
        max_position_embeddings=LONGEST,
    )
    model = LlamaForCausalLM(config).eval()
    # Small random weights look at everything alike; larger ones have patterns to look at.
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(6)
            layer.self_attn.k_proj.weight.mul_(6)
    model.save_pretrained(folder)
    vocabulary = {"?": 0, **{word: number + 1 for number, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="?", model_max_length=LONGEST
    ).save_pretrained(folder)
    return folder


def long_text(tokens: int) -> str:
    """Write so many words, always the same ones."""
    chosen = random.Random(0)
    return " ".join(chosen.choice(WORDS) for _ in range(tokens))
