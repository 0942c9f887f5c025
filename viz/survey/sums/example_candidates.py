"""Which edges of a head are kept as its examples: the heaviest off the sinks, and some drawn by chance.

Both are chosen by a number that each edge has of its own, so that parts of a corpus can be joined in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viz.survey.sums.row_blocks import Block

# How many of either kind are kept of a head.
KEPT = 20

# How many of the heaviest may be of one window, so that one text does not fill the list.
OF_ONE_WINDOW = 2


class Example(NamedTuple):
    """One edge of a head. Its order is that in which it is kept: the smallest first.

    A tuple, because those of every head of every window are made and sorted.

    Attributes:
        rank: minus its weight of the heaviest, a number drawn by chance of the others.
        window: in which it is.
        query: in the window.
        key: in the window; that which the query looks at most off the sinks.
        weight: exact.
    """

    rank: float
    window: int
    query: int
    key: int
    weight: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """How examples of one layer of one window are drawn.

    Attributes:
        window: its number.
        rows: the query that is drawn for each head, int64 [head].
        ranks: the number that was drawn for it, [head].
    """

    window: int
    rows: tuple[int, ...]
    ranks: tuple[float, ...]


def draw(
    seed: int, window: int, stack: int, heads: Sequence[int], queries: int
) -> list[Candidates]:
    """Draw a query for each head of each layer of a stack, the same whenever it is asked for."""
    source = np.random.default_rng((seed, window, stack))
    count = sum(heads)
    rows = source.integers(0, max(1, queries), count).tolist()
    ranks = source.random(count).tolist()
    ends = list(accumulate(heads))
    return [
        Candidates(window, tuple(rows[end - own : end]), tuple(ranks[end - own : end]))
        for end, own in zip(ends, heads, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class LayerExamples:
    """Examples of a layer in one window, a list for each head in the order in which they are kept."""

    heaviest: list[list[Example]]
    chance: list[list[Example]]


class ExampleSearch:
    """Looks for examples of a layer's heads while its blocks go by."""

    def __init__(self, heads: int, candidates: Candidates) -> None:
        self._drawn = candidates
        self._rows = torch.tensor(candidates.rows)
        self._heads = torch.arange(heads)
        # Of each block: queries, keys and weights [head, 3]: two of the heaviest, and the query that was drawn.
        self._found: list[tuple[Tensor, Tensor, Tensor]] = []

    def look(self, weights: Tensor, block: Block) -> None:
        """Look through a block; its weights on sinks are set to 0."""
        count = weights.shape[1]
        weights.index_fill_(-1, block.sinks, 0.0)
        _, heaviest = weights.amax(dim=-1).topk(min(OF_ONE_WINDOW, count), dim=-1)
        at = self._rows.to(weights.device) - block.start  # [head]
        places = torch.cat((heaviest, at.clamp(0, count - 1)[:, None]), dim=1)
        everyone = self._heads.to(weights.device)[:, None]
        found, keys = weights[everyone, places].max(dim=-1)
        found[:, -1].mul_((at >= 0) & (at < count))  # it may have been drawn in another block
        self._found.append((places + block.start, keys + block.first, found))

    def done(self) -> LayerExamples:
        """Return what was found in all blocks."""
        everything = (torch.cat(one, dim=1).tolist() for one in zip(*self._found, strict=True))
        heaviest, chance = [], []
        # Of blocks side by side, each ends with the query that was drawn.
        ends = list(accumulate(one[0].shape[1] for one in self._found))
        last = {end - 1 for end in ends}
        for head, edges in enumerate(zip(*everything, strict=True)):
            own = list(zip(*edges, strict=True))
            heaviest.append(
                kept(
                    (
                        self._example(-w, q, k, w)
                        for at, (q, k, w) in enumerate(own)
                        if at not in last and w > 0
                    ),
                    OF_ONE_WINDOW,
                )
            )
            rank = self._drawn.ranks[head]
            chance.append([self._example(rank, *own[at]) for at in sorted(last) if own[at][2] > 0])
        return LayerExamples(heaviest, chance)

    def _example(self, rank: float, query: int, key: int, weight: float) -> Example:
        return Example(rank, self._drawn.window, query, key, weight)


def kept(examples: Iterable[Example], most: int = KEPT) -> list[Example]:
    """Return those that are kept of many, in their order, which does not depend on theirs."""
    return sorted(examples)[:most]
