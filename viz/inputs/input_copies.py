"""A model's inputs, copied for each pass."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import Cache

from viz.inputs.past_key_values import copied_past

Inputs = Mapping[str, Any]


def copies(inputs: Inputs) -> dict[str, Any]:
    """Give every pass tensors of its own, because a model may write to what it is given."""
    return {
        name: copied_past(value) if isinstance(value, Cache) else copied(value)
        for name, value in inputs.items()
    }


def copied(value: Any) -> Any:
    """Copy a tensor or a cache of keys and values, and leave anything else as it is."""
    if isinstance(value, Tensor):
        return value.clone()
    return copy.deepcopy(value) if isinstance(value, Cache) else value
