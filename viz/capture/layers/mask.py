"""Where a query may look, kept as a rule of a few numbers a row wherever it can be one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Rows of a mask that are examined at a time; bounds the extra memory at this many rows of bytes.
EXAMINED_ROWS = 512


@dataclass(frozen=True, slots=True)
class Spans:
    """Each query may look at one run of neighbouring keys, `start <= key < stop`.

    Causal, windowed, chunked, padded, packed and prefix masks are all of this form.
    Both int32, shape [query].
    """

    start: Tensor
    stop: Tensor

    def allowed(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Say which keys in [first, last) the rows may look at, shape [1, row, key], bool."""
        at = torch.arange(first, last, device=self.start.device)
        start, stop = self.start[rows, None], self.stop[rows, None]
        return ((at >= start) & (at < stop))[None]

    def reach(self, rows: Tensor) -> tuple[int, int]:
        """Return the smallest run of keys that holds everything these rows may look at."""
        start, stop = self.start[rows], self.stop[rows]
        some = stop > start
        if not bool(some.any()):
            return 0, 1
        return int(start[some].min()), int(stop[some].max())

    def ragged(self, rows: Tensor, first: int, last: int) -> list[tuple[int, int]]:
        """Say which runs of keys in [first, last) not all of these rows may look at; all may between."""
        if len(rows) == 0:
            return []
        whole, end = int(self.start[rows].max()), int(self.stop[rows].min())
        if whole >= end:
            return [(first, last)]
        runs = [(first, min(whole, last)), (max(end, first), last)]
        return [(start, stop) for start, stop in runs if start < stop]

    def describe(self, keys: int) -> str:
        """Name the rule as the field does."""
        queries = len(self.start)
        looking = self.stop > self.start
        at = (torch.arange(queries, device=self.start.device) + (keys - queries))[looking]
        start, stop = self.start.long()[looking], self.stop.long()[looking]
        if len(at) == 0:
            return "nothing"
        if bool((start == 0).all() and (stop == keys).all()):
            return "full"
        if bool((stop == at + 1).all()):
            if bool((start == 0).all()):
                return "causal"
            width = int((stop - start).max())
            if bool((start == (at + 1 - width).clamp(min=0)).all()):
                return f"causal, window of {width:,} tokens"
            return "causal, limited on the left"
        if bool((stop == stop[0]).all() and (start == start[0]).all()):
            return "full, padding left out"
        reach = int((stop - 1 - at).max())
        if bool((stop == (at + 1 + reach).clamp(max=keys)).all()):
            back = int((at - start).max())
            if bool((start == (at - back).clamp(min=0)).all()):
                return f"window, {back:,} tokens back and {reach:,} ahead"
        return "one run of keys for each query"


@dataclass(frozen=True, slots=True)
class Dense:
    """A mask that is no rule: bool, shape [1 or head, query, key]."""

    matrix: Tensor

    def allowed(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Say which keys in [first, last) the rows may look at, shape [1 or head, row, key]."""
        return self.matrix[:, rows, first:last]

    def reach(self, rows: Tensor) -> tuple[int, int]:
        """Return the smallest run of keys that holds everything these rows may look at."""
        return 0, int(self.matrix.shape[-1])

    def ragged(self, rows: Tensor, first: int, last: int) -> list[tuple[int, int]]:
        """Say which runs of keys in [first, last) not all of these rows may look at: any."""
        return [(first, last)]

    def describe(self, keys: int) -> str:
        """Name the rule as the field does."""
        return "custom"


Mask = Spans | Dense


def full(queries: int, keys: int, device: torch.device) -> Spans:
    """Let every query look at every key."""
    start = torch.zeros(queries, dtype=torch.int32, device=device)
    return Spans(start, torch.full_like(start, keys))


def causal(queries: int, device: torch.device) -> Spans:
    """Let every query look at itself and what came before."""
    start = torch.zeros(queries, dtype=torch.int32, device=device)
    return Spans(start, torch.arange(1, queries + 1, dtype=torch.int32, device=device))


def as_rule(allowed: Tensor) -> Mask:
    """Turn a mask of one item into a rule if its rows are runs of keys, else keep it.

    Args:
        allowed: bool, shape [1 or head, query, key].
    """
    if allowed.shape[0] > 1 and bool((allowed == allowed[:1]).all()):
        allowed = allowed[:1]
    if allowed.shape[0] > 1:
        return Dense(allowed)
    matrix = allowed[0]
    keys = matrix.shape[1]
    at = torch.arange(keys, dtype=torch.int32, device=matrix.device)
    starts, stops = [], []
    for block in torch.split(matrix, EXAMINED_ROWS):
        count = block.sum(dim=1, dtype=torch.int32)
        start = torch.where(block, at, keys).amin(dim=1).to(torch.int32)
        stop = torch.where(block, at + 1, 0).amax(dim=1).to(torch.int32)
        start = torch.minimum(start, stop)
        if not bool((stop - start == count).all()):
            return Dense(allowed)
        starts.append(start)
        stops.append(stop)
    return Spans(torch.cat(starts), torch.cat(stops))
