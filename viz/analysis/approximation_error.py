"""Cheaper ways to attend, tried on a pattern that is known exactly: error against cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from viz.analysis.approximate_attention import (
    linear,
    linear_elu,
    low_rank,
    nystrom,
    top_k,
    windowed,
)
from viz.analysis.attention_costs import (
    elu_cost,
    exact_cost,
    linear_cost,
    nystrom_cost,
    rank_cost,
    top_cost,
    window_cost,
)
from viz.analysis.exact_head import Exact


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


WAYS = {
    way.name: way
    for way in (
        Way(
            "low rank",
            "rank",
            "weights",
            low_rank,
            rank_cost,
            "The pattern is written as a product of a tall and a wide matrix. The best ones are shown "
            "here, which are found from the whole pattern: a method has to do without it.",
        ),
        Way(
            "window",
            "width",
            "square",
            lambda exact, width: windowed(exact.weights, width),
            window_cost,
            "Each token looks at its neighbours alone: cost grows with the text, not with its square.",
        ),
        Way(
            "top-k",
            "weights kept",
            "weights",
            lambda exact, count: top_k(exact.weights, count),
            top_cost,
            "The largest weights of each row are kept. All scores are computed all the same, so that "
            "at best half is saved.",
        ),
        Way(
            "linear, random features",
            "features",
            "heads",
            linear,
            linear_cost,
            "e^(q·k) becomes a product of features of q and of k, so that keys and values can be "
            "summed up once for all queries.",
        ),
        Way(
            "linear, elu + 1",
            "",
            "heads",
            lambda exact, _: linear_elu(exact),
            elu_cost,
            "As many features as a head is wide, so that it pays once there are more tokens than "
            "dimensions. A model trained with them does well; put into one that was trained with "
            "softmax, as here, they blur it.",
        ),
        Way(
            "Nystrom",
            "landmarks",
            "heads",
            nystrom,
            nystrom_cost,
            "Queries look at a few landmarks, and these at the keys.",
        ),
    )
}
