"""The fast kernel with its log-sum-exp: the same pass as the model's, with other values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

aten = torch.ops.aten

# What a GPU's kernels ask of the width of heads and of a mask's rows.
WIDTH_STEP, WIDEST_FLASH, MASK_STEP = 8, 256, 16


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
        query: [head, query, d], of the dtype to compute in; see `working_dtype`.
        key: [head, key, d].
        values: each [head, key, d], such as positions, one-hot columns or the keys themselves.
        scale: factor on the dot product.
        is_causal: whether queries look at no later keys; of a square pattern alone.
        mask: added to the scores, [1 or head, query, key]; -inf where a query may not look.

    Returns:
        For each kind [head, query, d], and the log of the sum of exponentials of each row's scores,
        [head, query], both float32: -inf, and zeros, where a row looks at nothing.

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


def working_dtype(query: Tensor, key: Tensor) -> torch.dtype:
    """Choose what the kernel computes in: half precision where a GPU's model did, else float32.

    A GPU's flash kernel, many times as fast as its float32 one, takes half precision alone. Of the two,
    float16 has three more bits and holds what bfloat16 holds in its range, which queries and keys rarely
    leave. Log-sum-exps are float32 from either; averages of values carry the rounding of float16.
    """
    if query.device.type != "cuda" or query.dtype not in (torch.float16, torch.bfloat16):
        return torch.float32
    largest = max(float(one.abs().max()) for one in (query, key))
    return torch.float16 if largest < torch.finfo(torch.float16).max else torch.float32


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    is_causal: bool,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Call the device's kernel that gives the log-sum-exp beside the output."""
    bias = None if mask is None else mask[None].to(query.dtype)
    if query.device.type == "cpu":
        output, total = aten._scaled_dot_product_flash_attention_for_cpu(
            query[None], key[None], value[None], 0.0, is_causal, attn_mask=bias, scale=scale
        )
        return output[0].float(), total[0].float()
    given = [_padded(one, WIDTH_STEP)[None] for one in (query, key, value)]
    if bias is None and query.dtype == torch.float16 and given[0].shape[-1] <= WIDEST_FLASH:
        output, total = aten._scaled_dot_product_flash_attention(
            *given, 0.0, is_causal, scale=scale
        )[:2]
    else:
        # The kernel reads a bias in aligned steps, also past the last key.
        aligned = None
        if bias is not None:
            aligned = _padded(bias, MASK_STEP)[..., : bias.shape[-1]]
            aligned = aligned.expand(1, query.shape[0], -1, -1)
        output, total = aten._scaled_dot_product_efficient_attention(
            *given, aligned, True, 0.0, is_causal, scale=scale
        )[:2]
    return output[0, ..., : value.shape[-1]].float(), total[0, :, : query.shape[1]].float()


def _padded(values: Tensor, step: int) -> Tensor:
    """Fill the last dimension up with zeros to a multiple of a step."""
    short = -values.shape[-1] % step
    return torch.nn.functional.pad(values, (0, short)) if short else values
