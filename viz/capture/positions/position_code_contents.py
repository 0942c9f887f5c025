"""Content of ours for the cells of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

# What steps are made of: each cell's is the sum of so many directions out of these, forward or back, so that
# hardly two cells of a plane go in one.
WAYS, TAKEN = 16, 3

# Parts of a cell's first content: with one alone, the largest of several cells would be one cell's in all channels.
PARTS = 3

# Numbers of the contents that are kept made for the next pass, and not only what they are made of.
MOST_KEPT = 1 << 25

# Seeds of other contents begin where no model has as many grids.
OTHER = 1 << 20


class Contents:
    """Makes content for grids; the same for a number, whenever it is asked for.

    Args:
        seed: of the contents; another makes others.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed * OTHER
        self._made: dict[int, _Content] = {}
        self._ends: dict[tuple[int, str], Tensor] = {}
        self._kept = 0

    def of(
        self,
        number: int,
        whole: Tensor,
        channel: int,
        *,
        spread: float,
        share: Tensor,
    ) -> Tensor:
        """Make content for a grid, so far on the way from one to another as each cell's share says.

        Args:
            number: of the grid.
            whole: of its shape, dtype and device.
            channel: its axis of channels.
            spread: how large the numbers are.
            share: of each cell, the axis of channels left out.
        """
        made = self._made.get(number)
        if made is None:
            cells = [size for axis, size in enumerate(whole.shape) if axis != channel]
            made = _content(self._seed + number, cells, whole.shape[channel], spread)
            self._made[number] = made
        begin = self._end(number, "begin", partial(made.begin, whole, channel))
        if not bool(share.any()):
            return begin.to(whole.dtype, copy=True)
        step = self._end(number, "step", partial(made.step, whole, channel))
        of_cells = share.to(step).unsqueeze(channel)
        return torch.addcmul(begin, step, of_cells).to(whole.dtype)

    def _end(self, number: int, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return one of the two ends of a grid's content, made anew where there is no more room to keep it."""
        known = self._ends.get((number, name))
        if known is not None:
            return known
        made = make()
        if self._kept + made.numel() <= MOST_KEPT:
            self._ends[number, name] = made
            self._kept += made.numel()
        return made


@dataclass(frozen=True, slots=True)
class _Content:
    """Numbers of which all of a grid's are made, so that it is kept without taking memory.

    It begins with a number of each channel and one of each place, added up, because one of them alone could be
    taken out by a norm, over channels or over places, and with some products of both. Where it goes differs from
    cell to cell, so that what is made of several goes in no one direction.

    Attributes:
        places: numbers of each cell, [part, ...].
        ways: how much of each direction a cell's step takes, [direction, ...].
        rows: what each part of a place counts for, what every cell begins with, and each direction; [row, channel].
    """

    places: Tensor
    ways: Tensor
    rows: Tensor

    def begin(self, whole: Tensor, channel: int) -> Tensor:
        """Make what all cells begin with, in float32, on the device and with the axes of a grid."""
        parts = torch.cat([self.places, torch.ones_like(self.places[:1])])
        return _combined(parts, self.rows[: len(parts)], whole, channel)

    def step(self, whole: Tensor, channel: int) -> Tensor:
        """Make the whole step of all cells, likewise."""
        return _combined(self.ways, self.rows[-len(self.ways) :], whole, channel)


def _combined(parts: Tensor, rows: Tensor, whole: Tensor, channel: int) -> Tensor:
    """Add up parts of cells [part, ...] times numbers of channels [part, channel]."""
    of_cells, of_channels = parts.flatten(1).to(whole.device), rows.to(whole.device)
    if channel == whole.ndim - 1:
        return (of_cells.mT @ of_channels).reshape(whole.shape)
    before, after = whole.shape[:channel], whole.shape[channel + 1 :]
    across = of_cells.view(len(parts), before.numel(), after.numel())
    return (of_channels.mT @ across.movedim(0, 1)).reshape(whole.shape)


def _content(number: int, cells: list[int], channels: int, spread: float) -> _Content:
    generator = torch.Generator().manual_seed(number)
    places = torch.randn(PARTS, *cells, generator=generator) * spread
    of_places = torch.randn(PARTS - 1, channels, generator=generator)
    others = torch.randn(1 + WAYS, channels, generator=generator) * spread
    ways = torch.zeros(WAYS, *cells)
    for _ in range(TAKEN):
        taken = torch.randint(WAYS, (1, *cells), generator=generator)
        sign = torch.randint(2, (1, *cells), generator=generator).float() * 2 - 1
        ways.scatter_add_(0, taken, sign * TAKEN**-0.5)
    return _Content(places, ways, torch.cat([torch.ones(1, channels), of_places, others]))
