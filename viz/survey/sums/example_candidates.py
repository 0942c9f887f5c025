"""Which edges of a head are kept as its examples: the heaviest off the sinks, and some drawn by chance.

Both are chosen by a number that each edge has of its own, so that parts of a corpus can be joined in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from viz.survey.sums.text_facts import SINK, TextFacts

# How many of either kind are kept of a head.
KEPT = 20

# How many of the heaviest may be of one window, so that one text does not fill the list.
OF_ONE_WINDOW = 2


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """One edge of a head. Its order is that in which it is kept: the smallest first.

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


class LayerExamples:
    """Chooses examples of a layer's heads while its blocks go by."""

    def __init__(self, heads: int, candidates: Candidates) -> None:
        self._drawn = candidates
        self._rows = torch.tensor(candidates.rows)
        self.heaviest: list[list[Example]] = [[] for _ in range(heads)]
        self.chance: list[list[Example]] = [[] for _ in range(heads)]

    def look(self, weights: Tensor, facts: TextFacts, rows: Tensor, first: int) -> None:
        """Look through a block; its weights on sinks are set to 0."""
        heads, count, run = weights.shape
        weights[..., facts.columns[first : first + run, SINK].nonzero()[:, 0]] = 0.0
        most = weights.amax(dim=-1)  # [head, row]
        _, places = most.topk(min(OF_ONE_WINDOW, count), dim=-1)
        everyone = torch.arange(heads, device=weights.device)
        found, keys = weights[everyone[:, None], places].max(dim=-1)
        listed = zip(rows[places].tolist(), (keys + first).tolist(), found.tolist(), strict=True)
        for head, edges in enumerate(listed):
            self.heaviest[head] = kept(
                [
                    *self.heaviest[head],
                    *(
                        Example(-w, self._drawn.window, q, k, w)
                        for q, k, w in zip(*edges, strict=True)
                        if w > 0
                    ),
                ],
                OF_ONE_WINDOW,
            )
        start = int(rows[0])
        here = ((self._rows >= start) & (self._rows < start + count)).nonzero()[:, 0]
        if len(here):
            own = here.to(weights.device)
            drawn = self._rows[here].to(weights.device)
            found, keys = weights[own, drawn - start].max(dim=-1)
            for head, query, key, weight in zip(
                here.tolist(), drawn.tolist(), (keys + first).tolist(), found.tolist(), strict=True
            ):
                if weight > 0:
                    rank = self._drawn.ranks[head]
                    self.chance[head].append(Example(rank, self._drawn.window, query, key, weight))


def kept(examples: Iterable[Example], most: int = KEPT) -> list[Example]:
    """Return those that are kept of many, in their order, which does not depend on theirs."""
    return sorted(examples)[:most]
