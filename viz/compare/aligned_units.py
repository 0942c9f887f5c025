"""Units of two sides, grouped so that rows and columns of two patterns mean the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viz.inputs.token_text import SPACE
from viz.inputs.units import Units
from viz.patterns.max_pooling import pool_edges

# What the label of a piece of a character ends with, as `units_from_encoding` writes it.
PIECE = re.compile(r" (\d+)/\d+$")

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Common units of two sides, in order.

    A common unit that has units of one side alone has no partner: it is shown, and nothing is moved to it
    from the other side.

    Attributes:
        kind: what a common unit is: `token`, `patch`, ...
        first: the first side's units of each, ascending; empty where there are none.
        second: the same of the second side.
        first_labels: what they read; empty where there are none.
        second_labels: the same of the second side.
        equal: whether both sides read the same there, and are no counterparts as in "tired" and "wide".
        special: whether it is made of special tokens.
    """

    kind: str
    first: Groups
    second: Groups
    first_labels: tuple[str, ...]
    second_labels: tuple[str, ...]
    equal: tuple[bool, ...]
    special: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        pairs, alone = int(self.paired.sum()), len(self) - int(self.paired.sum())
        return f"Alignment({pairs} {self.kind}s with a partner, {alone} without)"

    @property
    def in_first(self) -> NDArray[np.bool_]:
        """Which have units of the first side."""
        return np.array([bool(group) for group in self.first], dtype=bool)

    @property
    def in_second(self) -> NDArray[np.bool_]:
        """Which have units of the second side."""
        return np.array([bool(group) for group in self.second], dtype=bool)

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Which have units of both sides."""
        return self.in_first & self.in_second

    @property
    def places(self) -> NDArray[np.float64]:
        """Where each stands, counted in units with a partner; what has none stands between those beside it.

        Each side's own units without a partner may come first, and neither order moves a place.
        """
        paired = self.paired
        return np.cumsum(paired) - np.where(paired, 1.0, 0.5)

    @property
    def labels(self) -> tuple[str, ...]:
        """What both read: one text where it is the same, else `first → second`."""
        return tuple(
            bare(one or other) if same or not (one and other) else f"{bare(one)} → {bare(other)}"
            for one, other, same in zip(
                self.first_labels, self.second_labels, self.equal, strict=True
            )
        )

    def part(self, run: slice) -> Alignment:
        """Return some of the common units, which lie beside each other."""
        return replace(
            self,
            first=self.first[run],
            second=self.second[run],
            first_labels=self.first_labels[run],
            second_labels=self.second_labels[run],
            equal=self.equal[run],
            special=self.special[run],
        )

    def swapped(self) -> Alignment:
        """Return the same with the sides exchanged."""
        return Alignment(
            kind=self.kind,
            first=self.second,
            second=self.first,
            first_labels=self.second_labels,
            second_labels=self.first_labels,
            equal=self.equal,
            special=self.special,
        )


def identical(units: Units) -> Alignment:
    """Align units with themselves, each with its own."""
    alone = tuple((number,) for number in range(len(units)))
    return Alignment(
        kind=units.kind,
        first=alone,
        second=alone,
        first_labels=units.labels,
        second_labels=units.labels,
        equal=(True,) * len(units),
        special=units.special,
    )


def coarser(alignment: Alignment, most: int) -> Alignment:
    """Take neighbouring common units together, so that there are at most so many.

    Labels say the first and the last of each.
    """
    if len(alignment) <= most:
        return alignment
    runs = [slice(start, stop) for start, stop in pairwise(pool_edges(len(alignment), most))]

    def joined(groups: Groups) -> Groups:
        return tuple(tuple(sorted(n for group in groups[run] for n in group)) for run in runs)

    def named(labels: tuple[str, ...]) -> tuple[str, ...]:
        read = [[label for label in labels[run] if label] for run in runs]
        return tuple(" … ".join(dict.fromkeys((run[0], run[-1]))) if run else "" for run in read)

    return Alignment(
        kind=alignment.kind,
        first=joined(alignment.first),
        second=joined(alignment.second),
        first_labels=named(alignment.first_labels),
        second_labels=named(alignment.second_labels),
        equal=tuple(all(alignment.equal[run]) for run in runs),
        special=tuple(all(alignment.special[run]) for run in runs),
    )


class Common(NamedTuple):
    """A common unit: the first side's units, the second's, and whether both read the same."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    equal: bool


def laid_out(first: Units, second: Units, common: Iterable[Common]) -> Alignment:
    """Put common units in the order of the texts, and name them.

    Where the sides stand in different orders the first side's counts; what only the second has follows
    what stands before it there.
    """
    ordered = _in_order(list(common))
    return Alignment(
        kind=first.kind,
        first=tuple(one.first for one in ordered),
        second=tuple(one.second for one in ordered),
        first_labels=tuple(_label(first, one.first) for one in ordered),
        second_labels=tuple(_label(second, one.second) for one in ordered),
        equal=tuple(one.equal for one in ordered),
        special=tuple(
            all(first.special[number] for number in one.first)
            and all(second.special[number] for number in one.second)
            for one in ordered
        ),
    )


def _in_order(common: list[Common]) -> list[Common]:
    following: dict[tuple[int, ...], list[Common]] = defaultdict(list)
    before: tuple[int, ...] = ()
    for one in sorted((one for one in common if one.second), key=lambda one: one.second):
        if one.first:
            before = one.first
        else:
            following[before].append(one)
    ordered = list(following[()])
    for one in sorted((one for one in common if one.first), key=lambda one: one.first):
        ordered += [one, *following[one.first]]
    return ordered


def bare(label: str) -> str:
    """Leave out the space before a word, which some tokenizers count as a part of it."""
    return label.removeprefix(SPACE) or label


def _label(units: Units, group: tuple[int, ...]) -> str:
    """Join labels; pieces of a character, as in `日 1/3` and `日 2/3`, give it once."""
    if len(group) == 1:
        return units.labels[group[0]]
    label = ""
    for place, number in enumerate(group):
        before = group[place - 1]
        if place and _continues(units, before, number):
            continue
        part = (
            PIECE.sub("", units.labels[number]) if not units.texts[number] else units.labels[number]
        )
        apart = place and units.words[number] != units.words[before]
        label += f"{SPACE}{part}" if apart and not part.startswith(SPACE) else part
    return label


def _continues(units: Units, before: int, number: int) -> bool:
    """Whether a unit is a further piece of the character that the one before began."""
    piece = PIECE.search(units.labels[number])
    return (
        piece is not None and not units.texts[number] and piece[1] != "1" and before == number - 1
    )
