"""The ways to attend that a transformers model can be set to: our kernels, the stock one, eager."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from viz.models.attention import ATTENTION_NAME, MASKED_NAME


def current_way(module: PreTrainedModel) -> str:
    """Return the attention implementation that a model is set to; its parts may know better."""
    parts = [getattr(module.config, name, None) for name in type(module.config).sub_configs]
    named = [getattr(part, "_attn_implementation", "") for part in (module.config, *parts)]
    ours = [str(name) for name in named if name in (ATTENTION_NAME, MASKED_NAME)]
    return ours[0] if ours else str(named[0])


def set_way(module: nn.Module, way: str) -> bool:
    """Let a transformers model attend in a way; False where it cannot be told."""
    if not isinstance(module, PreTrainedModel):
        return False
    log = logging.getLogger("transformers.modeling_utils")
    level = log.level
    # It warns of models that take no such setting; we find that out by looking.
    log.setLevel(logging.ERROR)
    try:
        module.set_attn_implementation(way)
    except (ValueError, AttributeError):
        return False
    finally:
        log.setLevel(level)
    return True


@contextmanager
def eager_way(module: PreTrainedModel, way: str) -> Iterator[bool]:
    """Let a model run its own eager attention for a while; False where it has none."""
    if not set_way(module, "eager"):
        yield False
        return
    try:
        yield True
    finally:
        set_way(module, way)
