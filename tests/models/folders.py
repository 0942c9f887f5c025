"""Small models as folders in hub layout, tokenizer included."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from tests.capture.architectures import build

TEXT = ["the cat sat on the mat because it was tired, and the dog did not"] * 4
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer, as GPT-2's, with few merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer that reads pairs, as BERT's, always the same one."""
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_words()),
        **{f"{name}_token": token for name, token in names.items()},
    )


@cache
def _words() -> str:
    """Return what it reads: the words of `TEXT`, and their letters. A trained one would have other tokens each time."""
    words = sorted(set(re.findall(r"\w+|[^\w\s]", TEXT[0])))
    letters = sorted(set("".join(words)))
    tokens = dict.fromkeys([*SPECIALS, *letters, *(f"##{one}" for one in letters), *words])
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer.to_str()


def save_encoder_decoder(folder: Path, *, positions: int = 64) -> Path:
    """Save a small random encoder-decoder with its tokenizer."""
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=97,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=positions,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=2,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def save_vision(folder: Path, *, size: int = 48, patch: int = 16) -> Path:
    """Save a small random model of pictures, with its processor."""
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=size,
        patch_size=patch,
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def save_small(folder: Path, architecture: str = "bert") -> Path:
    """Save a small random model with a tokenizer that fits its vocabulary."""
    build(architecture).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def save_decoder(
    folder: Path, *, layers: int, heads: int, positions: int = 2_048, seed: int = 0
) -> Path:
    """Save a random decoder with as many layers and heads as are wanted."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=8 * heads,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=48,
        max_position_embeddings=positions,
        bos_token_id=2,
        eos_token_id=3,
        initializer_range=0.18,  # as usual, every pattern would be even
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder
