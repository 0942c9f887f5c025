"""Content of ours for the cells of a grid."""

from __future__ import annotations

import torch
from torch import Tensor

# Directions that the steps of cells may have.
WAYS = 4


def content(
    whole: Tensor, channel: int, spread: float, share: Tensor, generator: torch.Generator
) -> Tensor:
    """Make content for a grid, so far on the way from one to another as each cell's share says.

    It begins with a number of each channel and one of each place, added up, because one of them alone could be
    taken out by a norm, over channels or over places. Where it goes differs from cell to cell, so that what is
    made of several goes in no one direction.
    """
    places = [1 if axis == channel else size for axis, size in enumerate(whole.shape)]
    channels = whole.shape[channel]
    of_place = (torch.randn(places, generator=generator) * spread).to(whole)
    of_channel = (torch.randn(channels, generator=generator) * spread).to(whole)
    ways = (torch.randn(WAYS, channels, generator=generator) * spread).to(whole)
    taken = torch.randint(WAYS, places, generator=generator).squeeze(channel).to(whole.device)
    shape = [1] * whole.ndim
    shape[channel] = channels
    made = of_place + of_channel.view(shape)
    if not bool(share.any()):
        return made
    return made.addcmul_(share, ways[taken].movedim(-1, channel))
