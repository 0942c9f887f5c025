"""The one formula that every exact weight in this project comes from.

`weights = softmax(cap(query . key * scale) + bias)` over the keys that the mask allows, with an
optional sink logit that takes part in the denominator only. It stands at the bottom of the house
because three rooms need it: the models (for layers that the fast kernel cannot run), the capture
(to verify what it recorded) and the patterns (to answer questions).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def attention_rows(
    query: Tensor,
    key: Tensor,
    *,
    scale: float,
    allowed: Tensor | None = None,
    hidden: Sequence[tuple[slice, Tensor]] = (),
    bias: Tensor | None = None,
    softcap: float | None = None,
    sinks: Tensor | None = None,
) -> Tensor:
    """Compute the exact attention weights of some query rows.

    Rows sum to 1; below 1 where a sink takes part, and to 0 where nothing is allowed.

    Args:
        query: shape [head, query, d].
        key: shape [kv_head, key, d]; head is a multiple of kv_head.
        scale: factor on the dot product.
        allowed: True where a query may look at a key, broadcastable to [head, query, key].
        hidden: runs of keys, and where in each a query may not look, broadcastable to [head, query,
            key of the run]; cheaper than `allowed` where a mask leaves most keys alone.
        bias: added to the scores, broadcastable to [head, query, key].
        softcap: scores become `softcap * tanh(scores / softcap)`.
        sinks: one logit a head, [head], or one a head and query, [head, query]; in the denominator
            only.

    Returns:
        Shape [head, query, key], float32.

    Source: Vaswani et al. 2017, eq. 1; soft-capping: Gemma 2 report, sec. 2; sinks: gpt-oss.
    """
    scores = attention_scores(
        query, key, scale=scale, allowed=allowed, hidden=hidden, bias=bias, softcap=softcap
    )
    return weights_of(scores, sinks=sinks, all_allowed=allowed is None and not hidden)


def attention_scores(
    query: Tensor,
    key: Tensor,
    *,
    scale: float,
    allowed: Tensor | None = None,
    hidden: Sequence[tuple[slice, Tensor]] = (),
    bias: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Compute what the softmax of some query rows sees; see `attention_rows`.

    Returns:
        Shape [head, query, key], float32; minus infinity where a query may not look.
    """
    heads, rows, width = query.shape
    groups = heads // key.shape[0]
    grouped = query.float().reshape(key.shape[0], groups * rows, width)
    empty = grouped.new_empty(())
    scores = torch.baddbmm(empty, grouped, key.float().transpose(1, 2), beta=0, alpha=scale)
    scores = scores.view(heads, rows, key.shape[1])  # [head, query, key]
    if softcap is not None:
        scores = torch.tanh_(scores.div_(softcap))
        # The gradient of tanh is made of its output, which must not be written over then.
        scores = scores * softcap if scores.requires_grad else scores.mul_(softcap)
    if bias is not None:
        scores = scores.add_(bias)
    if allowed is not None:
        scores = scores.masked_fill_(~allowed, -torch.inf)
    for run, forbidden in hidden:
        scores[..., run].masked_fill_(forbidden, -torch.inf)
    return scores


def weights_of(scores: Tensor, *, sinks: Tensor | None = None, all_allowed: bool = False) -> Tensor:
    """Turn scores into weights; a row that may look at nothing looks at nothing.

    Args:
        scores: shape [head, query, key], minus infinity where a query may not look; left as they are.
        sinks: one logit a head, [head], or one a head and query, [head, query].
        all_allowed: whether every query may look at every key, so that no row needs to be asked.
    """
    heads, rows, _ = scores.shape
    if sinks is not None:
        column = sinks.float().view(heads, -1, 1).expand(heads, rows, 1)
        weights = torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1]
    else:
        weights = torch.softmax(scores, dim=-1)
    # A row with nothing to look at is 0/0 in softmax, all along; it looks at nothing, which is 0.
    if not all_allowed and bool(weights[..., :1].isnan().any()):
        if not weights.requires_grad:
            return weights.nan_to_num_(nan=0.0)
        nothing = torch.isneginf(scores).all(dim=-1, keepdim=True)
        weights = torch.softmax(scores.masked_fill(nothing, 0.0), dim=-1) * ~nothing
    return weights
