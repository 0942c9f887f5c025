"""Rows of a layer that are measured at a time, and what a text and a mask say of them before any head has looked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.survey.sums.text_facts import PLACE, SINK, TextFacts

# Scores of texts, in the order in which they are counted.
TEXT_SCORES = (
    *("entropy", "distance", "sink", "first", "previous", "current", "next"),
    *("punctuation", "separator", "same_token", "induction"),
)

# Keys beside a query, by how far from it.
BESIDE = {"previous": -1, "current": 0, "next": 1}


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that are measured at a time, for all layers whose mask leaves them the same keys.

    Attributes:
        rows: numbers of the queries, one after the other.
        start: the first of them.
        first: the key run's first key.
        columns: float32 [key run, column], those of `TextFacts.columns`; places are counted from near the rows.
        sinks: which keys of the run are sinks, int64.
        place: where each row stands among the keys, counted as in `columns`, float32 [row]; None where queries are no keys.
        ahead: how far each key lies ahead of each row, float32 [row, key run]; None where none does.
        beside: the column on which the first row's own key lies, counted in the run; by `BESIDE`.
        same: row, and place in [row, key run] laid out flat, of each key that holds the row's own token elsewhere, int64.
        after: the same of keys that came after the row's own token earlier.
        counts: 1 where a row counts for a score, else 0, float32 [score, 1 or head, row].
    """

    rows: Tensor
    start: int
    first: int
    columns: Tensor
    sinks: Tensor
    place: Tensor | None
    ahead: Tensor | None
    beside: dict[str, int]
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
    start, last = int(rows[0]), first + run
    columns = facts.columns[first:last]
    sinks = columns[:, SINK].nonzero()[:, 0]
    counts = allowed.any(dim=-1).repeat(len(TEXT_SCORES), 1, 1)
    put = {name: counts[number] for number, name in enumerate(TEXT_SCORES)}
    nothing = rows[:0]
    if facts.at is None or facts.same is None or facts.after is None:
        for name in ("distance", *BESIDE, "same_token", "induction"):
            put[name].zero_()
        none, pair = None, (nothing, nothing)
        return Block(rows, start, first, columns, sinks, none, none, {}, pair, pair, counts.float())
    at = facts.at[rows]
    for name, offset in BESIDE.items():
        keys = at + offset - first
        inside = (keys >= 0) & (keys < run)
        here = torch.where(inside, keys, 0)
        put[name].logical_and_(allowed[:, torch.arange(count, device=rows.device), here] & inside)
    pairs: list[tuple[Tensor, Tensor]] = []
    keys = torch.arange(first, last, device=rows.device)
    for name, targets in (("same_token", facts.same), ("induction", facts.after)):
        wanted = targets.matches(rows, first, last)
        if name == "same_token":
            wanted &= keys != at[:, None]
        put[name].logical_and_((allowed & wanted).any(dim=-1))
        at_rows, at_keys = wanted.nonzero(as_tuple=True)
        pairs.append((at_rows, at_rows * run + at_keys))
    # Counted from near the rows, so that float32 keeps the fractions of short distances in long texts.
    middle = int(at.float().mean())
    columns = columns.clone()
    columns[:, PLACE] -= middle
    ahead = (keys[None] - at[:, None]).clamp_min_(0).float() if last - 1 > int(at[0]) else None
    return Block(
        rows=rows,
        start=start,
        first=first,
        columns=columns,
        sinks=sinks,
        place=(at - middle).float(),
        ahead=ahead,
        beside={name: int(at[0]) + offset - first for name, offset in BESIDE.items()},
        same=pairs[0],
        after=pairs[1],
        counts=counts.float(),
    )
