"""Cheap stand-ins for layers that mix the channels of a place and move nothing from one place to another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

# In evaluation mode these scale and shift channels by constants.
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

# Keeps a sum of two numbers as large as each of them.
HALF = 0.5**0.5


def stand_in(part: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Return what can stand in for a part; None where it is not known to mix channels alone.

    The stand-in takes what the part is given, [.., in] or [batch, channel, ..], and returns the same shape as
    the part would.
    """
    if not _is_unchanged(part):
        return None
    if type(part) is nn.Linear:
        return partial(mixed_channels, channels=part.out_features)
    if type(part) in NORMS and part.affine and part.track_running_stats and not part.training:
        # A copy, because what comes next may write to it.
        return torch.clone
    return None


def _is_unchanged(part: nn.Module) -> bool:
    """Whether nobody put anything on a part."""
    return (
        "forward" not in part.__dict__
        and not part._forward_hooks
        and not part._forward_pre_hooks
        and not is_parametrized(part)
    )


def mixed_channels(given: Tensor, channels: int) -> Tensor:
    """Make as many channels of others as a layer would, each of several and each place of itself alone.

    Shapes: given [.., in]; [.., channels].

    All channels count: those that are too many are added to the first, and each is added to another half the
    way round, so that what a unit was merged of is in all of its numbers, whichever are looked at.
    """
    whole = given.shape[-1]
    if whole > channels:
        short = -whole % channels
        padded = nn.functional.pad(given, (0, short)) if short else given
        pieces = padded.reshape(*given.shape[:-1], -1, channels)
        folded = pieces.sum(-2) * (channels / whole) ** 0.5
    elif whole < channels:
        times = -(-channels // whole)
        folded = given.repeat(*([1] * (given.ndim - 1)), times)[..., :channels]
    else:
        folded = given
    mixed: Tensor = (folded + folded.roll(channels // 2 + 1, -1)) * HALF
    return mixed
