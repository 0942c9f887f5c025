"""What passes over codes note down: sources, and the two sides of every call of attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from viz.capture.positions.data_dependent_branches import Decisions

# The number of a source, the cell of each unit in it [unit, axis], and the size of its grid.
Told = tuple[int, Tensor, tuple[int, ...]]

# How near a unit must come to one of two contents to be called that, as a share of their distance.
NEAR = 1e-3

# How far a unit has to move in a small step to be said to, as a share of the largest number.
MOVED = 1e-5

# Tokens of the model's own that may stand beside the cells of a grid.
MOST_TOKENS = 16

ONE, OTHER, MIXED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Source:
    """What lies on a grid, and the grid's size.

    Attributes:
        name: of the module, or of the input.
        size: of the grid, the input of the batch or the picture first.
        order: when it was seen, among all that was.
        read: the input that it read as it was given; None where it read something made of it.
        spread: how large its numbers are, which is the same in every pass.
        spans: of cells that are spans of a series: the channel, and the first and last step + 1.
    """

    name: str
    size: tuple[int, ...]
    order: int
    read: str | None
    spread: float
    spans: tuple[tuple[int, int, int], ...] | None = None

    @property
    def bits(self) -> list[tuple[int, int]]:
        """Every axis and bit that tells cells apart."""
        return [
            (axis, bit)
            for axis, size in enumerate(self.size)
            for bit in range((size - 1).bit_length())
        ]


@dataclass(frozen=True, slots=True)
class Scale:
    """What a pass over shares goes by.

    Attributes:
        merged: how many cells along the axis are one.
        axis: of the grid, 0 the input of the batch or the picture.
        digit: of the number of a cell along the axis, the last of which is 0.
        nested: how many cells are one in any of the layers, the least first, where one pass is for all of
            them; else nothing.
    """

    merged: int
    axis: int
    digit: int = 0
    nested: tuple[int, ...] = ()

    def tells(self, merged: int) -> bool:
        """Whether a pass tells units of so many cells; those of a batch are never merged."""
        if self.nested:
            return merged in self.nested
        return self.merged == (merged if self.axis else 1)


@dataclass(slots=True)
class Side:
    """Queries or keys of one call, or what a grid was made of.

    Attributes:
        order: when it was seen, among all that was.
        one: in the first pass, where all cells hold one content, [unit, number].
        step: what a whole step of every cell moved.
        moves: which units that moved, bool [unit].
        shares: of each pass over shares of a step that came here, by what it went by: the share of its whole
            step that each unit took, and how far its numbers are from agreeing on it, both [unit].
        told: after how many of those it was looked what they tell, and what that was.
        tokens: which units changed with a kind of the model's own tokens, where steps are too small to tell.
        other: in the pass where all cells hold the other content.
        states: of every pass since, which of the two contents each unit held, or neither.
    """

    order: int
    one: Tensor
    step: Tensor | None = None
    moves: Tensor | None = None
    shares: dict[Scale, tuple[Tensor, Tensor]] = field(default_factory=dict)
    told: tuple[int, Told | None] = (0, None)
    tokens: dict[str, Tensor] = field(default_factory=dict)
    other: Tensor | None = None
    states: list[Tensor] = field(default_factory=list)

    @property
    def varies(self) -> Tensor:
        """Which units have anything to do with the cells."""
        assert self.other is not None
        return _differs(self.one, self.other)

    def note(self, rows: Tensor, seen: Coded) -> None:
        """Take what was seen in a pass after the first."""
        if rows.shape != self.one.shape:
            raise ValueError("a pass over other numbers has other shapes")
        if seen.token:
            self.tokens[seen.token] = _differs(rows, self.one).cpu()
        elif self.other is not None:
            self.states.append(self._state(rows, self.other))
        elif seen.other:
            self.other = rows
        elif self.step is not None:
            self.shares[seen.scales[-1]] = _share(rows - self.one, self.step)
        else:
            self.step = rows - self.one
            scale = max(float(self.one.abs().max()), 1e-12)
            self.moves = (self.step.abs().amax(dim=1) > MOVED * scale).cpu()

    def _state(self, rows: Tensor, other: Tensor) -> Tensor:
        apart = (self.one - other).abs().amax(dim=1) * NEAR
        state = torch.full((len(rows),), MIXED)
        state[((rows - other).abs().amax(dim=1) <= apart).cpu()] = OTHER
        state[((rows - self.one).abs().amax(dim=1) <= apart).cpu()] = ONE
        return state


def _share(moved: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """Say which share of a whole step each unit took, by least squares, and how far it is from that."""
    length = (whole * whole).sum(dim=1)
    share = (moved * whole).sum(dim=1) / length
    miss = torch.linalg.vector_norm(moved - share[:, None] * whole, dim=1) / length.sqrt()
    return share.cpu(), miss.cpu()


@dataclass(slots=True)
class Coded:
    """What passes over codes have shown.

    Attributes:
        sources: in the order in which they were seen.
        calls: by part, the queries and keys of each call, windows one after the other.
        channels: parts whose queries and keys are channels, by how they put their output back.
        followed: parts of which it is known whether they are.
        indexes: whole numbers [unit, axis] that a part was given, such as places in a picture.
        grids: what each source was made of, by its number.
        shapes: of the outputs of parts whose output lies on a grid, by the shape of what they were given.
        tokens: kinds of parameters that hold tokens of the model's own, by the last of their names.
        token: the kind that has changed in this pass; "" in most.
        scales: what every pass over shares of a step went by (`Scale`).
        other: whether there was a pass where all cells hold the other content, or there is now.
        bits: how many passes went over the bits of the cells' numbers; the one after them is by chance.
        is_first: whether the first pass is still running.
        chosen: when the model first ordered or chose cells by their numbers, which are ours here, among all
            that was seen.
        decisions: that the first pass made.
    """

    sources: list[Source] = field(default_factory=list)
    calls: dict[str, list[tuple[Side, Side]]] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    indexes: list[Tensor] = field(default_factory=list)
    grids: dict[int, Side] = field(default_factory=dict)
    shapes: dict[tuple[str, tuple[int, ...]], torch.Size] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    token: str = ""
    scales: list[Scale] = field(default_factory=list)
    other: bool = False
    bits: int = 0
    is_first: bool = True
    chosen: float = math.inf
    decisions: Decisions = field(default_factory=Decisions)

    @property
    def sides(self) -> list[Side]:
        """Queries and keys of every call."""
        return [side for calls in self.calls.values() for pair in calls for side in pair]


# How much of the way from one content to the other each cell has gone, by its grid.
Code = Callable[[Source], Tensor]


def _differs(rows: Tensor, others: Tensor) -> Tensor:
    """Which units hold other numbers, bool [unit]."""
    scale = max(float(rows.abs().max()), float(others.abs().max()), 1e-12)
    return (rows - others).abs().amax(dim=1) > NEAR * scale
