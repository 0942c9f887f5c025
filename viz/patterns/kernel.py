"""The fast kernel with its log-sum-exp: the same pass as the model's, with other values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

aten = torch.ops.aten


def weighted_sums(
    query: Tensor,
    key: Tensor,
    values: Sequence[Tensor],
    *,
    scale: float,
    is_causal: bool = False,
    mask: Tensor | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Average several kinds of values by one pattern of attention.

    Args:
        query: [head, query, d], float32.
        key: [head, key, d].
        values: each [head, key, d], such as positions, one-hot columns or the keys themselves.
        scale: factor on the dot product.
        is_causal: whether queries look at no later keys; of a square pattern alone.
        mask: added to the scores, [1 or head, query, key]; -inf where a query may not look.

    Returns:
        For each kind [head, query, d], and the log of the sum of exponentials of each row's scores,
        [head, query]: -inf, and zeros, where a row looks at nothing.

    Cost: one call of the fast kernel for each kind; memory linear in queries and keys, but for the
    mask that was given.
    """
    sums = []
    total = None
    for value in values:
        averaged, total = _attend(query, key, value, scale, is_causal, mask)
        sums.append(averaged)
    assert total is not None, "there is at least one kind of values"
    if mask is not None:
        # What the kernel says of such a row differs from device to device.
        blind = (mask == -math.inf).all(dim=-1).expand_as(total)
        total = total.masked_fill(blind, -math.inf)
        sums = [averaged.masked_fill(blind[..., None], 0.0) for averaged in sums]
    return sums, total


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    is_causal: bool,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Call the device's kernel that gives the log-sum-exp beside the output."""
    given = (query[None], key[None], value[None])
    bias = None if mask is None else mask[None]
    if query.device.type == "cpu":
        output, total = aten._scaled_dot_product_flash_attention_for_cpu(
            *given, 0.0, is_causal, attn_mask=bias, scale=scale
        )
    else:
        wide = None if bias is None else bias.expand(1, query.shape[0], -1, -1)
        output, total = aten._scaled_dot_product_efficient_attention(
            *given, wide, True, 0.0, is_causal, scale=scale
        )[:2]
    return output[0], total[0, :, : query.shape[1]]
