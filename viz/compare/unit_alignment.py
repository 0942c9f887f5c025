"""Which units of two sides belong together, whatever tokenizers cut them and whichever texts they are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from viz.compare.aligned_units import Alignment, Common, bare, identical, laid_out
from viz.compare.edit_alignment import Match, by_edits, by_pairing
from viz.compare.grid_alignment import by_place
from viz.compare.text_units import Spelled, spelled
from viz.errors import AlignmentError, ShapeError
from viz.inputs.units import Units

How = Literal["text", "position"]

Sources = tuple[str, str] | None


def align(
    first: Units,
    second: Units,
    *,
    sources: tuple[Sources, Sources] = (None, None),
    pairing: Sequence[tuple[str, str]] | None = None,
    words: bool = False,
    how: How = "text",
) -> Alignment:
    """Group the units of two sides so that what stands for the same characters stands together.

    Of one text the common units are the finest that both tokenizers' units make up: where one writes
    "un|believ|able" and the other "unbel|ievable", it is the word. Of two texts words are matched by
    edit distance first, and a word that replaces another is its counterpart. Patches and frames are
    matched by where they lie.

    Args:
        first: units of one axis of the first side.
        second: the same of the second.
        sources: for each side the texts that the spans of its segments count in, where they are known.
        pairing: phrases that belong together, for texts in two languages; nothing else does then.
        words: make words the common units, where units are parts of them.
        how: by text, or the first unit with the first, the second with the second.

    Raises:
        ShapeError: there is no such way.
        AlignmentError: the sides count different things, or share nothing.

    Cost: linear in the units, but for the edit distance of texts that differ.
    """
    if first.kind != second.kind:
        raise AlignmentError(
            f"One side counts {first.counted()}, the other {second.counted()}, "
            "which cannot stand for each other.",
            "Compare stacks that look at the same kind of thing.",
        )
    if how not in ("text", "position"):
        raise ShapeError(f"Units cannot be matched by {how!r:.40}.", "Choose text or position.")
    if how == "position":
        return laid_out(first, second, _by_position(first, second))
    if not pairing and not words and _alike(first, second, sources):
        return identical(first)
    if first.kind != "token":
        return laid_out(first, second, by_place(first, second))
    if not pairing and _order(second) < _order(first):
        # Among edits of one length chance would choose, and swapped sides would choose otherwise.
        return align(second, first, sources=sources[::-1], words=words).swapped()
    sides = spelled(first, sources[0]), spelled(second, sources[1])
    if pairing:
        matches = by_pairing(*sides, pairing)
    else:
        one_text = sources[0] is not None and sources[0] == sources[1]
        matches = by_edits(*sides, one_text=one_text)
    return laid_out(first, second, _common(first, second, sides, matches, words))


def _order(units: Units) -> tuple[object, ...]:
    spans = tuple((-1, -1) if span is None else span for span in units.spans)
    return units.labels, units.ids, spans


def _alike(first: Units, second: Units, sources: tuple[Sources, Sources]) -> bool:
    """Whether both sides were cut alike, so that each unit belongs to its own number."""
    return first == second and (sources[0] == sources[1] or first.kind != "token")


def _by_position(first: Units, second: Units) -> Iterable[Common]:
    for number in range(max(len(first), len(second))):
        one = (number,) if number < len(first) else ()
        other = (number,) if number < len(second) else ()
        same = bool(one and other) and bare(first.labels[number]) == bare(second.labels[number])
        yield Common(one, other, same)


class _Graph:
    """What hangs together: units of both sides and the slots that they cover."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.edges: list[tuple[int, int]] = []

    def join(self, kind: int, number: int, other_kind: int, other: int) -> None:
        """Say that two things belong together."""
        self.edges.append((self.starts[kind] + number, self.starts[other_kind] + other))

    def groups(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Return the group of everything."""
        size = int(self.starts[-1])
        one, other = np.array(self.edges, dtype=np.int64).reshape(-1, 2).T
        links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(size, size))
        _, labels = connected_components(links, directed=False)
        found: np.ndarray[tuple[int], np.dtype[np.int32]] = labels
        return found


# What a graph joins: units of the two sides, then their slots.
FIRST, SECOND, FIRST_SLOT, SECOND_SLOT = range(4)


def _common(
    first: Units,
    second: Units,
    sides: tuple[Spelled, Spelled],
    matches: Sequence[Match],
    words: bool,
) -> list[Common]:
    """Group units that share a slot, or whose slots stand for each other."""
    one, other = sides
    graph = _Graph((len(first), len(second), one.slots, other.slots))
    for kind, slots, side in ((FIRST, FIRST_SLOT, one), (SECOND, SECOND_SLOT, other)):
        for number, covered in enumerate(side.whole):
            for slot in covered:
                graph.join(kind, number, slots, slot)
    same = _join_words(graph, sides, matches)
    _join_spaces(graph, sides, matches, same)
    if words:
        for kind, units in ((FIRST, first), (SECOND, second)):
            for number in range(1, len(units)):
                if (
                    units.words[number] is not None
                    and units.words[number] == units.words[number - 1]
                ):
                    graph.join(kind, number - 1, kind, number)
    return _read_off(graph, sides, same)


def _join_words(
    graph: _Graph, sides: tuple[Spelled, Spelled], matches: Sequence[Match]
) -> tuple[set[int], set[int]]:
    """Join the slots of matched words, and return those that read the same on both sides."""
    one, other = sides
    same: tuple[set[int], set[int]] = (set(), set())
    for match in matches:
        left = [slot for number in match.first for slot in one.words[number].slots]
        right = [slot for number in match.second for slot in other.words[number].slots]
        keys = [one.words[number].key for number in match.first]
        alike = keys == [other.words[number].key for number in match.second]
        if alike and len(left) == len(right):
            for a, b in zip(left, right, strict=True):
                graph.join(FIRST_SLOT, a, SECOND_SLOT, b)
        else:
            for a in left:
                graph.join(FIRST_SLOT, a, SECOND_SLOT, right[0])
            for b in right:
                graph.join(FIRST_SLOT, left[0], SECOND_SLOT, b)
        reads = [one.words[number].read for number in match.first]
        if reads == [other.words[number].read for number in match.second]:
            same[0].update(left)
            same[1].update(right)
    return same


def _join_spaces(
    graph: _Graph,
    sides: tuple[Spelled, Spelled],
    matches: Sequence[Match],
    same: tuple[set[int], set[int]],
) -> None:
    """Join white space between matched words where a unit on either side is nothing else.

    Where it hangs on a word on one side and is a unit by itself on the other, those belong together; where it
    hangs on words on both sides it joins nothing.
    """
    alone: list[dict[int, list[int]]] = []
    carried: list[dict[int, list[int]]] = []
    for side in sides:
        blank = {slot for slots in side.spaces.values() for slot in slots}
        alone.append(_units_at(side.whole, blank))
        carried.append(_units_at(side.beside, blank))
    for before in [(-1, -1), *((m.first[-1], m.second[-1]) for m in matches)]:
        left, right = (side.spaces.get(b, []) for side, b in zip(sides, before, strict=True))
        for a, b in zip(left, right, strict=False):
            if a not in alone[0] and b not in alone[1]:
                continue
            graph.join(FIRST_SLOT, a, SECOND_SLOT, b)
            same[0].add(a)
            same[1].add(b)
            for unit in () if a in alone[0] else carried[0].get(a, ()):
                graph.join(FIRST, unit, FIRST_SLOT, a)
            for unit in () if b in alone[1] else carried[1].get(b, ()):
                graph.join(SECOND, unit, SECOND_SLOT, b)


def _units_at(covered: Sequence[tuple[int, ...]], wanted: set[int]) -> dict[int, list[int]]:
    units: dict[int, list[int]] = {}
    for number, slots in enumerate(covered):
        for slot in wanted.intersection(slots):
            units.setdefault(slot, []).append(number)
    return units


def _read_off(
    graph: _Graph,
    sides: tuple[Spelled, Spelled],
    same: tuple[set[int], set[int]],
) -> list[Common]:
    groups = graph.groups()
    members: dict[int, tuple[list[int], list[int]]] = {}
    unlike: set[int] = set()
    for kind, side in enumerate(sides):
        for number, covered in enumerate(side.whole):
            group = int(groups[graph.starts[kind] + number])
            members.setdefault(group, ([], []))[kind].append(number)
            if not same[kind].issuperset(covered):
                unlike.add(group)
    return [
        Common(tuple(one), tuple(other), bool(one and other) and group not in unlike)
        for group, (one, other) in members.items()
    ]
