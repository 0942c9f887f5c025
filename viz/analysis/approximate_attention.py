"""Cheaper ways to attend: each makes weights [query, key] in place of the exact ones of a head."""

from __future__ import annotations

import torch
from torch import Tensor

from viz.analysis.exact_head import Exact
from viz.errors import ShapeError
from viz.models.custom.attention_masks import window_mask
from viz.models.custom.attention_steps import dot_scores, scale_scores, softmax

# Singular values of landmarks below this share of the largest count as 0.
NEARLY_ZERO = 1e-2

# Draws the features of linear attention; another seed would do as well.
SEED = 0


def low_rank(exact: Exact, rank: int) -> Tensor:
    """Keep the largest singular values alone: no matrix of that rank comes nearer.

    The error is the root of the squares of those left out; rows need not sum to 1 any more.

    Source: Eckart & Young 1936; that patterns are of low rank: Wang et al. 2020 (Linformer), sec. 3.
    """
    left, values, right = exact.factors
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def windowed(weights: Tensor, width: int) -> Tensor:
    """Look only at keys less than `width` places away.

    Source: Beltagy et al. 2020 (Longformer), sec. 3.1.
    """
    queries, keys = weights.shape
    return _kept(weights, window_mask(queries, keys, width))


def top_k(weights: Tensor, count: int) -> Tensor:
    """Keep the `count` largest weights of each row.

    Source: Gupta et al. 2021, sec. 2.
    """
    largest = weights.topk(min(count, weights.shape[1]), dim=-1).indices
    return _kept(weights, torch.zeros_like(weights, dtype=torch.bool).scatter_(-1, largest, True))


def linear(exact: Exact, features: int) -> Tensor:
    """Replace e^(q.k) by products of positive random features; the more, the nearer.

    Raises:
        ShapeError: there are no queries and keys.

    Source: Choromanski et al. 2021 (Performer), lemma 1, with orthogonal features.
    """
    query, key = _required(exact)
    root = exact.scale**0.5
    drawn = _orthogonal(features, query.shape[1])
    # What a row shares cancels when it is made to sum to 1, and so does what all keys share.
    of_queries = _exponents(query * root, drawn)
    of_queries = of_queries - of_queries.amax(-1, keepdim=True)
    of_keys = _exponents(key * root, drawn)
    of_keys = of_keys - of_keys.max()
    return _normal(of_queries.exp() @ of_keys.exp().T, exact.attended)


def linear_elu(exact: Exact) -> Tensor:
    """Replace e^(q.k) by (elu(q) + 1).(elu(k) + 1), which is no approximation but another kernel.

    Raises:
        ShapeError: there are no queries and keys.

    Source: Katharopoulos et al. 2020, eq. 7.
    """
    query, key = _required(exact)
    of_queries, of_keys = (torch.nn.functional.elu(part) + 1 for part in (query, key))
    return _normal(of_queries @ of_keys.T, exact.attended)


def nystrom(exact: Exact, landmarks: int) -> Tensor:
    """Let queries and keys meet at landmarks, means of neighbours, instead of one another.

    The method knows no mask; where there is one, forbidden weights are set to 0 and rows made to sum
    to 1 afterwards.

    Raises:
        ShapeError: there are no queries and keys.

    Source: Xiong et al. 2021 (Nystromformer), eq. 13.
    """
    query, key = _required(exact)
    near_query, near_key = _means(query, landmarks), _means(key, landmarks)

    def attention(left: Tensor, right: Tensor) -> Tensor:
        return softmax(scale_scores(dot_scores(left[None], right[None]), exact.scale))[0]

    # Where landmarks are much alike, their pattern is nearly singular and its inverse runs away.
    # With every token a landmark nothing is approximated, and nothing is cut off.
    whole = landmarks >= max(len(query), len(key))
    between = torch.linalg.pinv(
        attention(near_query, near_key), rtol=None if whole else NEARLY_ZERO
    )
    weights: Tensor = attention(query, near_key) @ between @ attention(near_query, key)
    if bool(exact.attended.all()):
        return weights
    return _normal(weights.clamp(min=0), exact.attended)


def _required(exact: Exact) -> tuple[Tensor, Tensor]:
    if exact.query is None or exact.key is None:
        raise ShapeError(
            f"This way needs queries and keys, and here {exact.reason}.",
            "Choose low rank, a window or top-k.",
        )
    return exact.query, exact.key


def _kept(weights: Tensor, kept: Tensor) -> Tensor:
    """Compute the softmax over what is kept alone, out of weights over all; a sink keeps its part."""
    left = weights * kept
    mass, sink = left.sum(-1, keepdim=True), 1 - weights.sum(-1, keepdim=True)
    # Of rows without any weight, as those of padding, the sink's part is all there is.
    return left / (mass + sink.clamp(min=0)).clamp(min=torch.finfo(weights.dtype).tiny)


def _normal(kernel: Tensor, attended: Tensor) -> Tensor:
    """Forbid what may not be looked at and let rows sum to 1."""
    allowed = kernel * attended
    return allowed / allowed.sum(-1, keepdim=True).clamp(min=torch.finfo(kernel.dtype).tiny)


def _exponents(vectors: Tensor, drawn: Tensor) -> Tensor:
    return vectors @ drawn.T - vectors.square().sum(-1, keepdim=True) / 2


def _orthogonal(features: int, width: int) -> Tensor:
    """Draw vectors that are orthogonal in blocks and as long as normal ones, [feature, width]."""
    generator = torch.Generator().manual_seed(SEED)
    blocks = [
        torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0].T
        for _ in range(-(-features // width))
    ]
    lengths = torch.randn(features, width, generator=generator, dtype=torch.float64)
    drawn: Tensor = torch.cat(blocks)[:features] * lengths.norm(dim=-1, keepdim=True)
    return drawn


def _means(vectors: Tensor, count: int) -> Tensor:
    """Take the means of neighbours in `count` runs that are as long as each other, but for one."""
    parts = torch.tensor_split(vectors, min(count, len(vectors)))
    return torch.stack([part.mean(0) for part in parts])
