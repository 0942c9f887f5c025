"""Cheaper ways to attend, tried on a pattern that is known exactly: error against cost.

Each function returns weights [query, key] in place of the exact ones. Costs are multiplications of
one head, with values as wide as keys; exact attention needs two for every pair that may look and
every dimension: one for the score, one for the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layer import RecordedLayer
from viz.capture.stack import Stack
from viz.errors import BudgetError, ShapeError
from viz.models.custom.masks import window_mask
from viz.models.custom.steps import dot_scores, scale_scores, softmax

# The singular values of larger patterns take seconds.
MOST_TOKENS = 512

# Singular values of landmarks below this share of the largest count as 0.
NEARLY_ZERO = 1e-2

# Draws the features of linear attention; another seed would do as well.
SEED = 0


@dataclass(frozen=True, slots=True)
class Exact:
    """One head's exact pattern, and what it was made of; float64.

    Attributes:
        weights: [query, key]; a row sums to 1, to less beside a sink, to 0 for padding.
        attended: where a query may look, [query, key].
        query: [query, d], or None where the softmax saw more than queries and keys, or nobody knows.
        key: [key, d], or None likewise.
        scale: what scores are multiplied with.
        reason: why there are no queries and keys; empty where there are.
        factors: the singular value decomposition of the weights, which takes longest to find.
    """

    weights: Tensor
    attended: Tensor
    query: Tensor | None
    key: Tensor | None
    scale: float
    reason: str
    factors: tuple[Tensor, Tensor, Tensor]

    @property
    def square(self) -> bool:
        """Whether queries and keys are as many, so that a window is one around the diagonal."""
        return self.weights.shape[0] == self.weights.shape[1]


def exact_head(stack: Stack, layer: int, head: int) -> Exact:
    """Take one head out of a trace.

    Raises:
        ShapeError: there is no such layer or head.
        BudgetError: the pattern is too large.
    """
    record = stack.record_with(layer, head)
    if max(record.shape) > MOST_TOKENS:
        raise BudgetError(
            f"The pattern is {record.shape[0]:,} x {record.shape[1]:,}; cheaper ways are tried on up "
            f"to {MOST_TOKENS}.",
            "Run it on a shorter text.",
        )
    weights = stack.weights(layer, head).cpu().double()
    attended = stack.attended(layer, head).cpu()
    if not isinstance(record, RecordedLayer):
        return exact_of(weights, attended, reason="the model told its weights alone")
    more = {
        "a position bias": record.bias,
        "a softcap": record.softcap,
        "sinks": record.sinks,
    }
    beyond = [name for name, part in more.items() if part is not None]
    if beyond:
        return exact_of(weights, attended, reason=f"its softmax saw {' and '.join(beyond)} too")
    shared = record.heads // record.key.shape[0]
    query, key = (
        part.detach().cpu().double() for part in (record.query[head], record.key[head // shared])
    )
    return exact_of(weights, attended, query, key, scale=record.scale)


def exact_of(
    weights: Tensor,
    attended: Tensor,
    query: Tensor | None = None,
    key: Tensor | None = None,
    *,
    scale: float = 1.0,
    reason: str = "",
) -> Exact:
    """Put an exact pattern together with what it was made of, and factor it once."""
    left, values, right = torch.linalg.svd(weights, full_matrices=False)
    return Exact(weights, attended, query, key, scale, reason, (left, values, right))


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


def error_of(exact: Tensor, other: Tensor) -> float:
    """Say how far a pattern is from the exact one: |other - exact| / |exact|, Frobenius."""
    size = float(exact.norm())
    return float((other - exact).norm()) / size if size else float((other - exact).norm())


def misplaced(exact: Tensor, other: Tensor) -> float:
    """Say which share of a row's weight lies elsewhere, in the mean of rows that have any."""
    rows = exact.sum(-1) > 0
    if not bool(rows.any()):
        return 0.0
    return float((other - exact)[rows].abs().sum(-1).mean() / 2)


def singular_values(exact: Exact) -> tuple[Tensor, Tensor]:
    """Return a pattern's singular values, and the error that is left at each rank from 0."""
    _, values, _ = exact.factors
    squares = torch.cat([values.square(), values.new_zeros(1)])
    left = squares.flip(0).cumsum(0).flip(0)  # what is left out at rank 0, 1, ...
    return values, (left / left[0].clamp(min=torch.finfo(left.dtype).tiny)).sqrt()


@dataclass(frozen=True, slots=True)
class Way:
    """One cheaper way to attend.

    Attributes:
        name: what it is called.
        setting: what is chosen; empty where nothing is.
        needs: `weights`; `square` where a window must mean something; `heads` where queries and
            keys must be known.
        attend: makes the weights of a setting.
        cost: counts the multiplications of a setting.
        says: one sentence.
    """

    name: str
    setting: str
    needs: str
    attend: Callable[[Exact, int], Tensor]
    cost: Callable[[Exact, int], float]
    says: str

    def fits(self, exact: Exact) -> bool:
        """Whether it can be tried on a pattern."""
        return {
            "weights": True,
            "square": exact.square,
            "heads": exact.query is not None,
        }[self.needs]


@dataclass(frozen=True, slots=True)
class Tried:
    """What one setting of one way costs and misses.

    Attributes:
        way: its name.
        setting: rank, width, count, features or landmarks.
        cost: multiplications as a share of exact attention's.
        error: see `error_of`.
        misplaced: see `misplaced`.
    """

    way: str
    setting: int
    cost: float
    error: float
    misplaced: float


def exact_cost(exact: Exact) -> float:
    """Count the multiplications of exact attention: a score and a sum for each pair that may look."""
    return 2.0 * float(exact.attended.sum()) * _width(exact)


def settings_of(exact: Exact) -> list[int]:
    """Return 1, 2, 4, ... up to the number of keys, and that number."""
    keys = exact.weights.shape[1]
    return sorted({2**power for power in range(keys.bit_length()) if 2**power < keys} | {keys})


def try_way(way: Way, exact: Exact, setting: int) -> Tried:
    """Measure one setting."""
    weights = way.attend(exact, setting)
    return Tried(
        way=way.name,
        setting=setting,
        cost=way.cost(exact, setting) / max(exact_cost(exact), 1.0),
        error=error_of(exact.weights, weights),
        misplaced=misplaced(exact.weights, weights),
    )


def try_all(exact: Exact) -> list[Tried]:
    """Measure every way that fits, over its settings."""
    return [
        try_way(way, exact, setting)
        for way in WAYS.values()
        if way.fits(exact)
        for setting in (settings_of(exact) if way.setting else [1])
    ]


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


def _width(exact: Exact) -> int:
    # Where nobody knows how wide a head is, all costs grow with it alike.
    return 1 if exact.query is None else exact.query.shape[1]


def _window_cost(exact: Exact, width: int) -> float:
    queries, keys = exact.weights.shape
    pairs = exact.attended & window_mask(queries, keys, width)
    return 2.0 * float(pairs.sum()) * _width(exact)


def _top_cost(exact: Exact, count: int) -> float:
    summed = exact.attended.sum(-1).clamp(max=count).sum()
    return (float(exact.attended.sum()) + float(summed)) * _width(exact)


def _rank_cost(exact: Exact, rank: int) -> float:
    return float(sum(exact.weights.shape)) * rank * _width(exact)


def _linear_cost(exact: Exact, features: int) -> float:
    # Features of queries and keys, and of each a product with the values' width.
    return 2.0 * float(sum(exact.weights.shape)) * features * _width(exact)


def _elu_cost(exact: Exact, _: int) -> float:
    return float(sum(exact.weights.shape)) * _width(exact) ** 2


def _nystrom_cost(exact: Exact, landmarks: int) -> float:
    queries, keys = exact.weights.shape
    near = min(landmarks, queries, keys)
    # Three small patterns, the inverse of one, and the values through all of them.
    patterns = (queries + near + keys) * near * _width(exact)
    return float(patterns + near**3 + (keys + near + queries) * near * _width(exact))


WAYS = {
    way.name: way
    for way in (
        Way(
            "low rank",
            "rank",
            "weights",
            low_rank,
            _rank_cost,
            "The pattern is written as a product of a tall and a wide matrix. The best ones are shown "
            "here, which are found from the whole pattern: a method has to do without it.",
        ),
        Way(
            "window",
            "width",
            "square",
            lambda exact, width: windowed(exact.weights, width),
            _window_cost,
            "Each token looks at its neighbours alone: cost grows with the text, not with its square.",
        ),
        Way(
            "top-k",
            "weights kept",
            "weights",
            lambda exact, count: top_k(exact.weights, count),
            _top_cost,
            "The largest weights of each row are kept. All scores are computed all the same, so that "
            "at best half is saved.",
        ),
        Way(
            "linear, random features",
            "features",
            "heads",
            linear,
            _linear_cost,
            "e^(q·k) becomes a product of features of q and of k, so that keys and values can be "
            "summed up once for all queries.",
        ),
        Way(
            "linear, elu + 1",
            "",
            "heads",
            lambda exact, _: linear_elu(exact),
            _elu_cost,
            "As many features as a head is wide, so that it pays once there are more tokens than "
            "dimensions. A model trained with them does well; put into one that was trained with "
            "softmax, as here, they blur it.",
        ),
        Way(
            "Nystrom",
            "landmarks",
            "heads",
            nystrom,
            _nystrom_cost,
            "Queries look at a few landmarks, and these at the keys.",
        ),
    )
}
