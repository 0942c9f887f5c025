"""One custom model of each kind, and what it reads."""

from __future__ import annotations

import torch

from viz.models.custom import TransformerOptions
from viz.models.custom.small_tokenizers import word_tokenizer

TEXTS = ["the cat sat on the mat because it was tired, and the dog did not"]


def tokenizer(**options):
    return word_tokenizer(TEXTS, **options)


def kinds() -> dict[str, TransformerOptions]:
    """Options of one model of each class, by the class's name."""
    known = len(tokenizer())
    return {
        "LoupeForCausalLM": TransformerOptions(vocab_size=known, positions="rotary"),
        "LoupeForMaskedLM": TransformerOptions(architecture="encoder", vocab_size=known),
        "LoupeForConditionalGeneration": TransformerOptions(
            architecture="encoder-decoder", vocab_size=known, positions="sinusoidal"
        ),
        "LoupeForSequenceClassification": TransformerOptions(
            architecture="encoder", task="classification", vocab_size=known, outputs=3
        ),
        "LoupeForVectors": TransformerOptions(
            task="regression", d_input=2, outputs=1, pool="none", positions="alibi"
        ),
        "LoupeForImageClassification": TransformerOptions(
            architecture="encoder", task="classification", image_size=8, patch_size=2, outputs=10
        ),
    }


def inputs(name: str) -> dict[str, torch.Tensor]:
    """Something that a model of the class reads."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 15, (2, 9), generator=generator)
    if name == "LoupeForVectors":
        return {"vectors": torch.randn(2, 9, 2, generator=generator)}
    if name == "LoupeForImageClassification":
        return {"pixel_values": torch.randn(2, 1, 8, 8, generator=generator)}
    if name == "LoupeForConditionalGeneration":
        return {"input_ids": ids, "decoder_input_ids": ids[:, :6].flip(1)}
    return {"input_ids": ids}
