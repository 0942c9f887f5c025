"""What comes of attention where each query looks at its own key alone, and nothing is mixed."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def own_values(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    """What comes of attention where each query looks at its own key alone."""
    if query.shape[-2] != key.shape[-2]:
        return query.new_zeros(*query.shape[:-1], value.shape[-1])
    wide = value
    if wide.ndim > 2 and wide.ndim == query.ndim and 1 < wide.shape[-3] < query.shape[-3]:
        wide = wide.repeat_interleave(query.shape[-3] // wide.shape[-3], dim=-3)
    return wide.expand(*query.shape[:-1], value.shape[-1]).clone()


_MULTI_HEAD = inspect.signature(functional.multi_head_attention_forward)


def own_projected(output: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The same of PyTorch's own layer, which projects its values itself."""
    given = _MULTI_HEAD.bind(*args, **kwargs).arguments
    value, weight, bias = given["value"], given["in_proj_weight"], given["in_proj_bias"]
    if value.shape[0] != given["query"].shape[0]:
        return torch.zeros_like(output)
    own = given["v_proj_weight"] if weight is None else weight.chunk(3)[2]
    made = functional.linear(value, own, None if bias is None else bias.chunk(3)[2])
    return functional.linear(made, given["out_proj_weight"], given["out_proj_bias"])
