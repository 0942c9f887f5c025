"""Attention as textbooks write it: one small function for every step from tokens to output.

    project -> split_heads -> dot_scores -> scale_scores -> mask_scores -> softmax -> weighted_sum
    -> join_heads -> project

`Attention` computes by these functions and by no others, and so does the page that explains it.
All of them take any number of dimensions before those that they name, so that a text without a batch
works as well as a batch of texts. Rows are queries, columns are keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Steps:
    """Everything that one attention computed on its way, in order.

    Shapes, each with the batch before it where there is one; heads of keys and values are fewer
    than those of queries where they are grouped.

    Attributes:
        query: projected and split, [head, query, d].
        key: projected and split, [kv_head, key, d].
        value: projected and split, [kv_head, key, d_value].
        rotated_query: the query with its position in it; the very same tensor without rotary ones.
        rotated_key: the key with its position in it.
        scores: how well every query fits every key, [head, query, key].
        scaled: scores times the scale.
        mask: where a query may look (bool), or what is added to the scores (float), of all masks
            together; None where there is none.
        masked: scaled scores with -inf where nothing may be looked at.
        weights: softmax of each row; a row that may look at nothing is 0.
        dropped: weights after dropout; the very same tensor where that is off.
        heads: the weighted sum of the values, [head, query, d_value].
        joined: heads side by side, [query, head * d_value].
        output: after the output projection, [query, d_model].
    """

    query: Tensor
    key: Tensor
    value: Tensor
    rotated_query: Tensor
    rotated_key: Tensor
    scores: Tensor
    scaled: Tensor
    mask: Tensor | None
    masked: Tensor
    weights: Tensor
    dropped: Tensor
    heads: Tensor
    joined: Tensor
    output: Tensor


def project(tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply every token with a matrix: `tokens @ weight.T + bias`.

    Args:
        tokens: shape [token, width].
        weight: shape [new width, width], as `torch.nn.Linear` stores it; its transpose is the W of
            textbooks.
        bias: shape [new width].

    Returns:
        Shape [token, new width].
    """
    return functional.linear(tokens, weight, bias)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Cut the width of every token into heads: [token, head * d] becomes [head, token, d]."""
    *before, width = tokens.shape
    return tokens.reshape(*before, heads, width // heads).transpose(-2, -3)


def join_heads(heads: Tensor) -> Tensor:
    """Lay heads side by side again: [head, token, d] becomes [token, head * d]."""
    return heads.transpose(-2, -3).flatten(-2)


def repeat_heads(shared: Tensor, heads: int) -> Tensor:
    """Give every query head the key or value head of its group: [kv_head, ..] becomes [head, ..].

    Source: Ainslie et al. 2023, grouped-query attention; one group is multi-query attention.
    """
    groups = heads // shared.shape[-3]
    return shared if groups == 1 else shared.repeat_interleave(groups, dim=-3)


def dot_scores(query: Tensor, key: Tensor) -> Tensor:
    """Score every query against every key by their dot product, Q K^T.

    Args:
        query: shape [head, query, d].
        key: shape [kv_head, key, d]; head is a multiple of kv_head.

    Returns:
        Shape [head, query, key].

    Source: Vaswani et al. 2017, eq. 1; "multiplicative" in Luong et al. 2015.
    """
    return query @ repeat_heads(key, query.shape[-3]).transpose(-1, -2)


def additive_scores(query: Tensor, key: Tensor, vector: Tensor) -> Tensor:
    """Score every query against every key by a small network: `vector . tanh(query + key)`.

    Args:
        query: shape [head, query, d].
        key: shape [kv_head, key, d]; head is a multiple of kv_head.
        vector: shape [head, d].

    Returns:
        Shape [head, query, key].

    Source: Bahdanau et al. 2015, appendix A.1.2. Cost: memory for head * query * key * d.
    """
    key = repeat_heads(key, query.shape[-3])
    pairs = torch.tanh(query[..., :, None, :] + key[..., None, :, :])  # [head, query, key, d]
    return torch.einsum("...hqkd,hd->...hqk", pairs, vector)


def scale_scores(scores: Tensor, scale: float) -> Tensor:
    """Multiply the scores with the scale, 1 / sqrt(d) as a rule.

    Without it the scores of wide heads are large, softmax is nearly one-hot and its gradient nearly
    zero (Vaswani et al. 2017, footnote 4).
    """
    return scores * scale


def mask_scores(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Forbid what may not be looked at, or add a bias.

    Args:
        scores: shape [head, query, key].
        mask: bool (True: may look; elsewhere the score becomes -inf) or float (added), which
            broadcasts to the scores; None leaves them as they are.
    """
    if mask is None:
        return scores
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, -torch.inf)
    return scores + mask.to(scores.dtype)


def softmax(scores: Tensor) -> Tensor:
    """Turn every row of scores into weights that are positive and sum to 1.

    A row of -inf alone, which may look at nothing, becomes 0 and not 0 / 0, as in PyTorch's kernel.
    """
    nowhere = (scores == -torch.inf).all(dim=-1, keepdim=True)
    if not bool(nowhere.any()):
        return torch.softmax(scores, dim=-1)
    # Filled before as well as after, because the gradient of 0 / 0 is no number either.
    return torch.softmax(scores.masked_fill(nowhere, 0.0), dim=-1).masked_fill(nowhere, 0.0)


def weighted_sum(weights: Tensor, value: Tensor) -> Tensor:
    """Mix the values of all keys, each by its weight.

    Args:
        weights: shape [head, query, key].
        value: shape [kv_head, key, d_value]; head is a multiple of kv_head.

    Returns:
        Shape [head, query, d_value].
    """
    return weights @ repeat_heads(value, weights.shape[-3])
