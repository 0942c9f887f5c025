"""How long a text may be, and what a model keeps of longer ones."""

from __future__ import annotations

from typing import Any

from torch import nn

# Tokenizers say "no limit" with astronomically large numbers.
NO_LIMIT = 10_000_000

LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")


def context_limit(module: nn.Module, tokenizer: Any | None) -> int | None:
    """Return how many tokens a model reads: the smallest limit that any of its parts has."""
    config = getattr(module, "config", None)
    limits = [getattr(config, name, None) for name in LIMIT_NAMES]
    limits.append(getattr(tokenizer, "model_max_length", None))
    for part_name, part in module.named_modules():
        # RoBERTa's positions start behind the padding index, so its table is longer than its reach.
        if part_name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            offset = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - offset)
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < NO_LIMIT]
    return min(known, default=None)


def forget_longer_texts(module: nn.Module) -> None:
    """Undo what rotary embeddings of dynamic length keep of a longer text that came before."""
    for part in module.modules():
        if "dynamic" not in str(getattr(part, "rope_type", "")):
            continue
        names = [*vars(part), *(name for name, _ in part.named_buffers(recurse=False))]
        for name in [name for name in names if name.endswith("original_inv_freq")]:
            prefix = name.removesuffix("original_inv_freq")
            frequencies = getattr(part, f"{prefix}inv_freq")
            original = getattr(part, name).to(frequencies.device, copy=True)
            part.register_buffer(f"{prefix}inv_freq", original, persistent=False)
            setattr(part, f"{prefix}max_seq_len_cached", part.original_max_seq_len)
