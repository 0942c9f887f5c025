"""Where a head that does a known thing would look: every pattern that has a name, in two short lists.

A target is a match: query q is to look at the keys whose label is the one that q wants. Lists of labels
take memory for queries + keys, however many matches there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.errors import ShapeError

# Of queries that want nothing, and keys that nobody wants.
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Targets:
    """The keys that each query is to look at.

    Attributes:
        wanted: the label that each query looks for, int64 [query]; -1 where it may look anywhere.
        labels: the label of each key, int64 [key]; -1 where nobody looks for it.
        ends: the key at which each query's targets end, int64 [query]; None where all keys count.
    """

    wanted: Tensor
    labels: Tensor
    ends: Tensor | None = None

    def __post_init__(self) -> None:
        lists = {"wanted": self.wanted, "labels": self.labels, "ends": self.ends}
        for name, numbers in lists.items():
            if numbers is not None and (numbers.ndim != 1 or numbers.is_floating_point()):
                raise ShapeError(
                    f"The {name} of targets have shape {tuple(numbers.shape)} and are of "
                    f"{str(numbers.dtype).removeprefix('torch.')}.",
                    "Give a list of whole numbers, one for each.",
                )
        if self.ends is not None and len(self.ends) != len(self.wanted):
            raise ShapeError(
                f"Targets of {len(self.wanted)} queries end for {len(self.ends)}.",
                "Say for each query where its targets end.",
            )

    def of_queries(self, start: int, stop: int) -> Targets:
        """Return those of a run of the queries."""
        ends = None if self.ends is None else self.ends[start:stop]
        return Targets(self.wanted[start:stop], self.labels, ends)

    def rows(self) -> Tensor:
        """Return the queries that have a target at all, whatever they may look at, int64 [row]."""
        labels, kinds = torch.unique(self.labels, return_inverse=True)
        first = torch.full(labels.shape, len(self.labels)).scatter_reduce(
            0, kinds, torch.arange(len(self.labels)), "amin"
        )
        at = torch.searchsorted(labels, self.wanted).clamp(max=len(labels) - 1)
        some: Tensor = (self.wanted != NOTHING) & (labels[at] == self.wanted)
        if self.ends is not None:
            some &= first[at] < self.ends
        return some.nonzero()[:, 0]

    def matches(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Say which of some keys each of some queries is to look at, bool [row, last - first]."""
        wanted = self.wanted.to(rows.device)[rows][:, None]
        found = (wanted == self.labels.to(rows.device)[first:last]) & (wanted != NOTHING)
        if self.ends is not None:
            ends = self.ends.to(rows.device)[rows][:, None]
            found &= torch.arange(first, last, device=rows.device) < ends
        return found


def previous_targets(count: int) -> Targets:
    """Look at the token before: the first half of an induction circuit.

    Source: Olsson et al. 2022, "previous token head".
    """
    places = torch.arange(count)
    return Targets(wanted=places - 1, labels=places)


def induction_targets(ids: Sequence[int] | Tensor, *, special: Sequence[bool] = ()) -> Targets:
    """Look at the token after each earlier occurrence of the query's own.

    Args:
        ids: the numbers of the tokens.
        special: which of them a tokenizer added; they look for nothing.

    Source: Olsson et al. 2022, "prefix matching score".
    """
    tokens = _whole(ids)
    labels = torch.cat([torch.full((1,), NOTHING), tokens[:-1]])
    wanted = tokens.clone()
    if len(special):
        added = torch.tensor(special)
        wanted[added] = NOTHING
        labels[1:][added[:-1]] = NOTHING
    return Targets(wanted=wanted, labels=labels, ends=torch.arange(len(tokens)))


def lag_targets(count: int, lag: int) -> Targets:
    """Look `lag` places back: a stripe beside the diagonal.

    Raises:
        ShapeError: the lag is negative.
    """
    if lag < 0:
        raise ShapeError(f"The lag is {lag}.", "Give how many places back, 0 or more.")
    places = torch.arange(count)
    return Targets(wanted=(places - lag).clamp(min=NOTHING), labels=places)


def reverse_targets(queries: int, keys: int, *, special: Sequence[bool] = ()) -> Targets:
    """Look at the last key first and at the first last: the anti-diagonal.

    Args:
        queries: how many tokens are written; those after all keys, such as an end, look for nothing.
        keys: how many tokens are read.
        special: which of them a tokenizer added; nobody looks for them.
    """
    labels = _numbered(keys, special)
    wanted = (labels.max() - torch.arange(queries)).clamp(min=NOTHING)
    return Targets(wanted=wanted, labels=labels)


def sorting_targets(
    queries: int, values: Sequence[int] | Tensor, *, special: Sequence[bool] = ()
) -> Targets:
    """Look at the key whose value comes next in ascending order.

    Args:
        queries: how many tokens are written; those after the last value look for nothing.
        values: of the keys, in the order in which they are read; where two are the same, either counts.
        special: which of the keys a tokenizer added; nobody looks for them.
    """
    read = _whole(values)
    there = _numbered(len(read), special) != NOTHING
    labels = torch.full_like(read, NOTHING)
    labels[there] = torch.unique(read[there], return_inverse=True)[1]
    wanted = torch.full((queries,), NOTHING)
    ranked = labels[there].sort().values[:queries]
    wanted[: len(ranked)] = ranked
    return Targets(wanted=wanted, labels=labels)


def same_targets(
    wanted: Sequence[int] | Tensor, labels: Sequence[int] | Tensor, *, earlier: bool = False
) -> Targets:
    """Look at keys of a kind: days of the same week, goods of one shelf, patches with ink.

    Args:
        wanted: the kind that each query looks for; -1 for none.
        labels: the kind of each key; -1 for none.
        earlier: whether only keys before the query's own place count.

    Raises:
        ShapeError: there are not as many of both, where only earlier keys count.
    """
    ends = torch.arange(len(labels)) if earlier else None
    return Targets(wanted=_whole(wanted), labels=_whole(labels), ends=ends)


def _numbered(count: int, special: Sequence[bool]) -> Tensor:
    """Number units from 0 and leave special ones out, which are -1, int64 [unit]."""
    there = ~torch.tensor(special) if len(special) else torch.ones(count, dtype=torch.bool)
    return (there.cumsum(0) - 1).masked_fill(~there, NOTHING)


def _whole(numbers: Sequence[int] | Tensor) -> Tensor:
    """Copy numbers into a tensor on the CPU, in int64."""
    given = torch.as_tensor(numbers)
    if given.is_floating_point():
        raise ShapeError(
            f"Labels are of {str(given.dtype).removeprefix('torch.')}.", "Give whole numbers."
        )
    return given.detach().to("cpu", torch.int64, copy=True)
