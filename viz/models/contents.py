"""Content of ours for the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Directions that the steps of cells may have.
WAYS = 4


class Contents:
    """Makes content for grids; the same for a number, whenever it is asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], _Content] = {}

    def of(
        self,
        number: int,
        whole: Tensor,
        channel: int,
        *,
        spread: float,
        share: Tensor,
        alike: int = 1,
    ) -> Tensor:
        """Make content for a grid, so far on the way from one to another as each cell's share says.

        Args:
            number: of the grid.
            whole: of its shape, dtype and device.
            channel: its axis of channels.
            spread: how large the numbers are.
            share: of each cell, the axis of channels left out.
            alike: cells along each axis whose steps go in one direction.
        """
        made = self._made.get((number, alike))
        if made is None:
            cells = [size for axis, size in enumerate(whole.shape) if axis != channel]
            made = _content(number, cells, whole.shape[channel], spread, alike)
            self._made[number, alike] = made
        parts = [made.places, torch.ones_like(made.places)]
        if bool(share.any()):
            parts += [share * (made.taken == way) for way in range(WAYS)]
        coded = torch.stack(parts, -1).to(whole.device)
        rows = made.rows[: len(parts)].to(whole.device)
        if channel == whole.ndim - 1:
            return (coded @ rows).to(whole.dtype)
        before, after = coded.shape[:channel], coded.shape[channel:-1]
        across = coded.reshape(*before, after.numel(), len(parts)).mT
        return (rows.mT @ across).reshape(whole.shape).to(whole.dtype)


@dataclass(frozen=True, slots=True)
class _Content:
    """Numbers of which all of a grid's are made, so that it is kept without taking memory.

    It begins with a number of each channel and one of each place, added up, because one of them alone could be
    taken out by a norm, over channels or over places. Where it goes differs from cell to cell, or from block to
    block, so that what is made of several goes in no one direction.

    Attributes:
        places: a number of each cell.
        taken: the direction of each cell's step.
        rows: what a place's number counts for, what every cell begins with, and each direction; [row, channel].
    """

    places: Tensor
    taken: Tensor
    rows: Tensor


def _content(number: int, cells: list[int], channels: int, spread: float, alike: int) -> _Content:
    generator = torch.Generator().manual_seed(number)
    places = torch.randn(cells, generator=generator) * spread
    rows = torch.randn(1 + WAYS, channels, generator=generator) * spread
    taken = _ways(cells, alike, generator)
    return _Content(places, taken, torch.cat([torch.ones(1, channels), rows]))


def _ways(cells: list[int], alike: int, generator: torch.Generator) -> Tensor:
    """Draw a direction for every block of so many cells along each axis but the batch's, which comes first."""
    blocks = [-(-size // alike) if axis else size for axis, size in enumerate(cells)]
    ways = torch.randint(WAYS, blocks, generator=generator)
    for axis in range(1, len(cells)):
        ways = ways.repeat_interleave(alike, axis).narrow(axis, 0, cells[axis])
    return ways
