"""How many heads a part has, by whichever name it says so."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PretrainedConfig

HEAD_COUNTS = (
    *("num_attention_heads", "num_heads", "n_heads", "heads", "n_head", "n_attn_heads"),
    *(
        "h",
        "nheads",
        "n_attention_heads",
        "num_attn_heads",
        "num_head",
        "nhead",
        "attention_heads",
        "encoder_attention_heads",
    ),
)


def known_head_counts(config: Any) -> set[int]:
    """Every number of heads that a configuration, or one within it, speaks of."""
    found: set[int] = set()
    for name, value in vars(config).items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, PretrainedConfig):
                found |= known_head_counts(one)
            elif "head" in name and isinstance(one, int):
                found.add(one)
    return found


def head_count(part: nn.Module) -> int | None:
    """Return the number of heads of a part, as it or its own configuration says; else None."""
    for owner in (part, getattr(part, "config", None)):
        for name in HEAD_COUNTS:
            heads = getattr(owner, name, None)
            if isinstance(heads, int) and not isinstance(heads, bool) and heads > 0:
                return heads
    return None
