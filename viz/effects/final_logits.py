"""What a model does to all of its logits behind its unembedding: nothing, a factor, or a soft cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Change = Callable[[Tensor], Tensor]


def final_change(raw: Tensor, output: Tensor, config: Any, allowed: float) -> Change | None:
    """Find out what turns the unembedding's numbers into the model's output.

    Args:
        raw: what the unembedding returned, [position, vocabulary].
        output: the model's.
        config: of the model, which names its cap.
        allowed: how far both may be apart, as a share of their size.

    Returns:
        The change, of float32 [.., vocabulary]; None where it is none that is known.
    """
    before, after = raw.float(), output.float()
    size = torch.linalg.vector_norm(after)
    text = getattr(config, "get_text_config", lambda: config)()
    cap = getattr(text, "final_logit_softcapping", None)
    factor = float((before * after).sum() / before.square().sum().clamp_min(1e-30))
    changes: list[Change] = [lambda logits: logits, lambda logits: logits * factor]
    if isinstance(cap, (int, float)) and cap > 0:
        changes.append(lambda logits: torch.tanh(logits / cap) * cap)
    for change in changes:
        if bool(torch.linalg.vector_norm(change(before) - after) <= allowed * size):
            return change
    return None
