"""What passes over codes note down: sources, and the two sides of every call of attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# How near a unit must come to one of two contents to be called that, as a share of their distance.
NEAR = 1e-3

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


@dataclass(slots=True)
class Side:
    """Queries or keys of one call, or what a grid was made of.

    Attributes:
        order: when it was seen, among all that was.
        rows: in the first pass, and in the second, [unit, number].
        states: in every pass after that, [unit], which of the two each was, or neither.
        tokens: by a parameter that holds tokens of the model's own, which units changed with it.
    """

    order: int
    rows: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    tokens: dict[str, Tensor] = field(default_factory=dict)

    @property
    def varies(self) -> Tensor:
        """Which units have anything to do with the cells."""
        return _differs(*self.rows)

    def note(self, rows: Tensor, parameter: str | None) -> None:
        """Take what was seen in one pass, which may be one over another parameter."""
        if parameter is not None:
            if rows.shape == self.rows[0].shape:
                self.tokens[parameter] = _differs(rows, self.rows[0]).cpu()
            return
        if len(self.rows) < 2:
            self.rows.append(rows)
            return
        one, other = self.rows
        if rows.shape != one.shape or one.shape != other.shape:
            raise ValueError("a pass over other numbers has other shapes")
        apart = (one - other).abs().amax(dim=1) * NEAR
        state = torch.full((len(rows),), MIXED)
        state[((rows - other).abs().amax(dim=1) <= apart).cpu()] = OTHER
        state[((rows - one).abs().amax(dim=1) <= apart).cpu()] = ONE
        self.states.append(state)


@dataclass(slots=True)
class Coded:
    """What passes over codes have shown.

    Attributes:
        sources: in the order in which they were seen.
        calls: by part, the queries and keys of each call, windows one after the other.
        channels: parts whose queries and keys are channels, by how they put their output back.
        indexes: whole numbers [unit, axis] that a part was given, such as places in a picture.
        grids: what each source was made of, by its number.
        masks: of every random pass, which cells of each source held the other content.
        passes: how many told bits, before the random ones.
    """

    sources: list[Source] = field(default_factory=list)
    calls: dict[str, list[tuple[Side, Side]]] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    indexes: list[Tensor] = field(default_factory=list)
    grids: dict[int, Side] = field(default_factory=dict)
    masks: list[dict[int, Tensor]] = field(default_factory=list)
    passes: int = 0

    @property
    def has_own_tokens(self) -> bool:
        """Whether some units come from cells, and others beside them do not."""
        sides = [side for calls in self.calls.values() for pair in calls for side in pair]
        varying = [side.varies for side in sides if len(side.rows) == 2]
        return any(bool(one.any()) and not bool(one.all()) for one in varying)


# Which cells hold the other content, by the number of the source and its grid.
Code = Callable[[int, Source], Tensor]


def _differs(rows: Tensor, others: Tensor) -> Tensor:
    """Which units hold other numbers, bool [unit]."""
    scale = max(float(rows.abs().max()), float(others.abs().max()), 1e-12)
    return (rows - others).abs().amax(dim=1) > NEAR * scale
