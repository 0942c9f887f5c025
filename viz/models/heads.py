"""How many heads a part has, by whichever name it says so."""

from __future__ import annotations

from typing import Any

from torch import nn

HEAD_COUNTS = (
    *("num_attention_heads", "num_heads", "n_heads", "heads", "n_head", "n_attn_heads"),
    *("num_attn_heads", "num_head", "nhead", "attention_heads", "encoder_attention_heads"),
)


def head_count(part: nn.Module, whole: nn.Module | None = None) -> int | None:
    """Return the number of heads of a part, or else of the whole; None where neither says."""
    config: Any = getattr(whole, "config", None)
    for owner in (part, getattr(part, "config", None), config):
        for name in HEAD_COUNTS:
            heads = getattr(owner, name, None)
            if isinstance(heads, int) and not isinstance(heads, bool) and heads > 0:
                return heads
    return None
