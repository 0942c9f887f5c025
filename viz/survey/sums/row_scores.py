"""What a block of weights says of each of its rows: one number a score, a head and a query."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.survey.sums.text_facts import (
    COLUMNS,
    FIRST,
    MARK,
    PLACE,
    SEPARATOR,
    SINK,
    WHOLE,
    TextFacts,
)

# Scores of texts, in the order in which they are counted.
TEXT_SCORES = (
    *("entropy", "distance", "sink", "first", "previous", "current", "next"),
    *("punctuation", "separator", "same_token", "induction"),
)

# Keys beside a query, by how far from it.
BESIDE = {"previous": -1, "current": 0, "next": 1}


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a layer that are measured at a time, and what its mask alone says of them.

    Attributes:
        rows: numbers of the queries, one after the other.
        first: the key run's first key.
        same: row and column of each key that holds the row's own token at another place, int64 [pair].
        after: the same of keys that came after the row's own token earlier.
        counts: which rows count for which score, bool [score, 1 or head, row].
    """

    rows: Tensor
    first: int
    same: tuple[Tensor, Tensor]
    after: tuple[Tensor, Tensor]
    counts: Tensor


def block_of(allowed: Tensor, rows: Tensor, first: int, facts: TextFacts) -> Block:
    """Say what a mask leaves of some rows.

    Args:
        allowed: which keys of the run each row may look at, bool [1 or head, row, key run].
        rows: numbers of the queries, one after the other.
        first: the run's first key.
        facts: of the text.
    """
    _, count, run = allowed.shape
    counts = allowed.any(dim=-1).repeat(len(TEXT_SCORES), 1, 1)
    put = {name: counts[number] for number, name in enumerate(TEXT_SCORES)}
    nothing = rows[:0]
    if facts.at is None or facts.same is None or facts.after is None:
        for name in ("distance", *BESIDE, "same_token", "induction"):
            put[name].zero_()
        return Block(rows, first, (nothing, nothing), (nothing, nothing), counts)
    at = facts.at[rows]
    for name, offset in BESIDE.items():
        keys = at + offset - first
        inside = (keys >= 0) & (keys < run)
        here = torch.where(inside, keys, 0)
        put[name].logical_and_(allowed[:, torch.arange(count, device=rows.device), here] & inside)
    pairs: list[tuple[Tensor, Tensor]] = []
    last = first + run
    for name, targets in (("same_token", facts.same), ("induction", facts.after)):
        wanted = targets.matches(rows, first, last)
        if name == "same_token":
            wanted &= torch.arange(first, last, device=rows.device) != at[:, None]
        put[name].logical_and_((allowed & wanted).any(dim=-1))
        at_rows, at_keys = wanted.nonzero(as_tuple=True)
        pairs.append((at_rows, at_keys))
    return Block(rows, first, pairs[0], pairs[1], counts)


@dataclass(frozen=True, slots=True)
class RowScores:
    """A block's rows, whether or not they count.

    Shapes: values [score, head, row]; at_classes [head, row, class], the weight on keys of each class.
    """

    values: Tensor
    at_classes: Tensor


def row_scores(weights: Tensor, block: Block, facts: TextFacts) -> RowScores:
    """Measure the rows of a block.

    Args:
        weights: float32 [head, row, key run]; 0 where a row may not look.
        block: the rows.
        facts: of the text.
    """
    heads, count, run = weights.shape
    first, last = block.first, block.first + run
    columns = facts.columns[first:last].clone()
    middle = 0 if facts.at is None else int(facts.at[block.rows].float().mean())
    # Counted from near the rows, so that float32 keeps the fractions of short distances in long texts.
    columns[:, PLACE] -= middle
    sums = weights @ columns  # [head, row, column]
    values = torch.zeros((len(TEXT_SCORES), heads, count), device=weights.device)
    put = {name: values[number] for number, name in enumerate(TEXT_SCORES)}
    # `torch.special.entr` takes twice as long on a CPU; a weight of 0 adds 0 whatever its logarithm is.
    logarithms = weights.clamp_min(torch.finfo(weights.dtype).tiny).log_()
    torch.neg(torch.linalg.vecdot(weights, logarithms), out=put["entropy"])
    # What goes to the model's own sinks is missing from the row's sum.
    put["sink"][:] = sums[..., SINK] + (1 - sums[..., WHOLE]).clamp_min(0)
    put["first"][:] = sums[..., FIRST]
    put["punctuation"][:] = sums[..., MARK]
    put["separator"][:] = sums[..., SEPARATOR]
    if facts.at is not None:
        at = facts.at[block.rows]
        # |q - k| is q - k, and twice k - q where k is ahead.
        put["distance"][:] = (at - middle) * sums[..., WHOLE] - sums[..., PLACE]
        if last - 1 > int(at[0]):
            keys = torch.arange(first, last, device=at.device)
            ahead = (keys[None] - at[:, None]).clamp_min(0).to(weights.dtype)
            put["distance"].add_(torch.linalg.vecdot(weights, ahead), alpha=2)
        for name, offset in BESIDE.items():
            _beside(put[name], weights, int(at[0]) + offset - first)
        for name, (rows, keys) in (("same_token", block.same), ("induction", block.after)):
            put[name].index_add_(1, rows, weights[:, rows, keys])
    return RowScores(values, sums[..., COLUMNS : COLUMNS + len(facts.classes)])


def _beside(out: Tensor, weights: Tensor, column: int) -> None:
    """Write each row's weight on one key: the first row's on a column, the next row's on the one after; [head, row]."""
    _, count, run = weights.shape
    begin, end = max(0, -column), min(count, run - column)
    if begin < end:
        own = weights[:, begin:end, column + begin : column + end]
        out[:, begin:end] = own.diagonal(dim1=1, dim2=2)
