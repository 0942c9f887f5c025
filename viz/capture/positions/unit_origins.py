"""What passes over codes tell: for each unit of a call, the cell that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from viz.capture.positions.position_code_passes import drawn
from viz.capture.positions.position_code_records import MIXED, ONE, OTHER, Coded, Side, Source
from viz.capture.positions.position_code_steps import from_cells
from viz.capture.positions.position_decoding import by_steps, tokens_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the units of one side of a layer come from.

    Attributes:
        places: [unit, axis], the cell of each; -1 for units that come from none, such as a class token.
        size: of the grid: the input or the picture first, then its axes. Cells that a layer merged
            are one.
        read: the input that the grid lies on, where the way from there is proven; else None.
        alike: whether all units that come from nowhere hold the same numbers, as padding does.
        tokens: of each unit that comes from nowhere the parameter that holds it; "" where none does.
        spans: of each cell the channel, the first step and the last + 1 of a time series.
    """

    places: Tensor
    size: tuple[int, ...]
    read: str | None
    alike: bool
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int, int], ...] | None = None

    def equals(self, other: Origin) -> bool:
        """Whether units come from the same places."""
        return (
            (self.size, self.read, self.alike, self.tokens, self.spans)
            == (other.size, other.read, other.alike, other.tokens, other.spans)
        ) and torch.equal(self.places, other.places)

    @property
    def own(self) -> Tensor:
        """Which units come from a cell, bool [unit]."""
        return self.places[:, 0] >= 0

    @property
    def cells(self) -> Tensor:
        """The number of each unit's cell, row by row; -1 for those that come from none."""
        number = torch.zeros(len(self.places), dtype=torch.long)
        for axis, size in enumerate(self.size):
            number = number * size + self.places[:, axis]
        return torch.where(self.own, number, -1)

    @property
    def is_whole(self) -> bool:
        """Whether every cell is there, once."""
        cells = self.cells[self.own]
        return torch.equal(cells.sort().values, torch.arange(prod(self.size)))


Pair = tuple[Origin | None, Origin | None]


def origins(seen: Coded, layers: Sequence[tuple[str, tuple[int, int]]]) -> list[Pair]:
    """Decode every layer's queries and keys.

    Args:
        seen: what the passes have shown.
        layers: the part of each, and how many queries and keys it has; several of one part in the
            order of their calls.

    Returns:
        For each layer its queries' and its keys' origin; None where it cannot be proven.
    """
    proven = _proven(seen)
    left = {name: list(calls) for name, calls in seen.calls.items()}
    broken = _first_break(seen, proven)
    found: list[Pair] = []
    for name, shape in layers:
        calls = _take(left.get(name, []), shape)
        if not calls or any(query.order >= broken for query, _ in calls):
            found.append((None, None))
            continue
        query, key = (
            _joined([_decoded(call[side], seen, proven) for call in calls]) for side in (0, 1)
        )
        found.append((query, key))
    return found


def shared(pairs: Sequence[Pair]) -> list[Pair]:
    """Let sides that come from the same places have one origin."""
    kept: list[Origin] = []

    def one(origin: Origin | None) -> Origin | None:
        if origin is None:
            return None
        same = next((known for known in kept if known.equals(origin)), None)
        if same is None:
            kept.append(origin)
        return same or origin

    return [(one(query), one(key)) for query, key in pairs]


def by_content(seen: Coded) -> set[str]:
    """Name the parts that attended after the model had ordered or chosen cells by their numbers."""
    return {
        name
        for name, calls in seen.calls.items()
        if any(query.order >= seen.chosen for query, _ in calls)
    }


def untold(seen: Coded, layers: Sequence[tuple[str, tuple[int, int]]]) -> list[Side]:
    """List the sides of layers with units that come from cells, of which it is not told from which."""
    left: list[Side] = []
    for (name, _), pair in zip(layers, origins(seen, layers), strict=True):
        for side, origin in enumerate(pair):
            if origin is None and name not in seen.channels:
                every = [call[side] for call in seen.calls.get(name, [])]
                left += [one for one in every if bool(from_cells(one).any())]
    return left


def _take(calls: list[tuple[Side, Side]], shape: tuple[int, int]) -> list[tuple[Side, Side]]:
    """Take as many calls of a part as make up a layer: pieces of a sequence may be called one by one."""
    taken: list[tuple[Side, Side]] = []
    queries = keys = 0
    while calls and (queries, keys) != shape and queries <= shape[0]:
        query, key = calls.pop(0)
        taken.append((query, key))
        queries, keys = queries + len(query.one), keys + len(key.one)
    return taken if (queries, keys) == shape else []


def _joined(parts: Sequence[Origin | None]) -> Origin | None:
    """Lay pieces of one sequence one after the other."""
    known = [part for part in parts if part is not None]
    first = known[0] if known else None
    if first is None or len(known) < len(parts):
        return None
    if any((part.size, part.read) != (first.size, first.read) for part in known):
        return None
    alike = all(part.alike for part in known)
    places = torch.cat([part.places for part in known])
    tokens = tuple(token for part in known for token in part.tokens)
    return Origin(places, first.size, first.read, alike, tokens, first.spans)


def _proven(seen: Coded) -> Mapping[int, str]:
    """Which sources lie on an input, and on which: they read it, or what lies on it in its order."""
    proven: dict[int, str] = {}
    for number, source in enumerate(seen.sources):
        made_of = seen.grids.get(number)
        if source.read is not None:
            proven[number] = source.read
        elif made_of is not None:
            origin = _decoded(made_of, seen, proven, whole=True)
            if origin is None or origin.read is None:
                continue
            if torch.equal(origin.cells, torch.arange(prod(origin.size))):
                proven[number] = origin.read
    return proven


def _first_break(seen: Coded, proven: Mapping[int, str]) -> float:
    """When the first call was seen whose queries stand in another order than its keys.

    The identity then carries numbers to where they do not belong, and nothing after it is proof.
    """
    orders = [torch.inf]
    for calls in seen.calls.values():
        for query, key in calls:
            if len(query.one) != len(key.one):
                continue
            one, other = (_decoded(side, seen, proven) for side in (query, key))
            if one is not None and other is not None and not torch.equal(one.places, other.places):
                orders.append(query.order + 1)
    return min(orders)


def _decoded(
    side: Side, seen: Coded, proven: Mapping[int, str], *, whole: bool = False
) -> Origin | None:
    """Name the cell of each unit, by the latest source that explains every pass; see `by_steps`."""
    if not seen.other:
        found = by_steps(side, seen, whole=whole)
        return found and _origin(side, seen, proven, *found)
    if side.other is None or len(side.states) != seen.bits + 1:
        return None
    varies = side.varies.cpu()
    if not bool(varies.any()):
        return None
    states = torch.stack(side.states)
    for number in reversed(range(len(seen.sources))):
        source = seen.sources[number]
        if source.order >= side.order:
            continue
        decoded = _by_source(states[:, varies], seen.bits, source)
        if decoded is None:
            continue
        size, cells = decoded
        places = torch.full((len(varies), len(size)), -1)
        places[varies] = cells
        return _origin(side, seen, proven, number, places, size)
    return None


def _origin(
    side: Side,
    seen: Coded,
    proven: Mapping[int, str],
    number: int,
    places: Tensor,
    size: tuple[int, ...],
) -> Origin:
    """Say where units come from, by the number of the source and the cell of each."""
    source = seen.sources[number]
    own = places[:, 0] >= 0
    still = side.one[~own.to(side.one.device)]
    alike = len(still) > 0 and bool((still - still[:1]).abs().max() <= 1e-6)
    same_size = [n for n in range(number + 1) if seen.sources[n].size == source.size]
    read = {proven.get(n) for n in same_size}
    tokens = [""] * len(own)
    if len(still):
        kinds = tokens_of(side, seen)
        tokens = ["" if cell else kind for cell, kind in zip(own.tolist(), kinds, strict=True)]
    spans = source.spans if size == source.size else None
    return Origin(places, size, read.pop() if len(read) == 1 else None, alike, tuple(tokens), spans)


def _by_source(
    states: Tensor, passes: int, source: Source
) -> tuple[tuple[int, ...], Tensor] | None:
    """Read the bits of each unit's cell [unit, axis]; None where a pass says otherwise.

    Where a layer merges 2, 4, ... cells a side, their lowest bits are mixed, and the rest is theirs.

    Args:
        states: of the passes over bits, and of the one by chance, [pass, unit].
        passes: how many were over bits.
        source: that the units may come from.
    """
    bits = source.bits
    if bool((states[len(bits) : passes] != ONE).any()):
        return None
    units = states.shape[1]
    cells = torch.zeros(units, len(source.size), dtype=torch.long)
    merged = [0] * len(source.size)
    for (axis, bit), state in zip(bits, states[:passes], strict=False):
        if bool((state == MIXED).any()):
            if axis == 0:
                return None  # different inputs are never one unit
            merged[axis] = bit + 1
        cells[:, axis] += (state == OTHER).long() << bit
    cells = cells >> torch.tensor(merged)
    size = tuple(-(-whole // (1 << m)) for whole, m in zip(source.size, merged, strict=True))
    if bool((cells >= torch.tensor(size)).any()):
        return None
    expected = _pooled(drawn(source).long(), merged)[tuple(cells.T)]
    return (size, cells) if torch.equal(expected, states[passes]) else None


def _pooled(mask: Tensor, merged: Sequence[int]) -> Tensor:
    """What a merged cell is, whose own cells hold one content, the other, or both."""
    least, most = mask, mask
    for axis, m in enumerate(merged):
        step = 1 << m
        groups_least = [part.amin(axis) for part in torch.split(least, step, axis)]
        groups_most = [part.amax(axis) for part in torch.split(most, step, axis)]
        least, most = torch.stack(groups_least, axis), torch.stack(groups_most, axis)
    return torch.where(least == most, torch.where(least == 1, OTHER, ONE), MIXED)
