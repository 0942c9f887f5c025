"""What the cells of an input are: the patches of a picture, the spans of a series."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from viz.capture.positions.position_code_records import NEAR

# The input of models of time series, [batch, time, channel], which cut it into spans.
SERIES = "past_values"

# How many channels a picture may have.
COLOURS = (1, 3, 4)


def spans_of(given: Tensor, series: Tensor) -> tuple[tuple[int, int, int], ...] | None:
    """Say which span of which channel each row [batch, channel, span, step] is, but for its scale.

    Args:
        given: what the first projection reads.
        series: [batch, time, channel].

    Returns:
        For each row its channel, its first step and its last + 1; None where one is no such span.
    """
    if given.ndim != 4 or series.ndim != 3 or given.shape[1] != series.shape[2]:
        return None
    length = given.shape[-1]
    if not 3 <= length <= series.shape[1]:
        return None
    every = _standard(series.transpose(1, 2).unfold(-1, length, 1))
    rows = _standard(given)
    found = []
    for channel in range(given.shape[1]):
        apart = torch.cdist(rows[0, channel], every[0, channel])
        least, start = apart.min(dim=1)
        if bool((least > NEAR * length).any()):
            return None
        found += [(channel, first, first + length) for first in start.tolist()]
    return tuple(found)


def _standard(rows: Tensor) -> Tensor:
    """Take the offset and the scale out of rows."""
    centred = rows.double() - rows.double().mean(-1, keepdim=True)
    scaled: Tensor = centred / torch.linalg.vector_norm(centred, dim=-1, keepdim=True).clamp(
        min=1e-12
    )
    return scaled


def patch_size(module: nn.Module) -> int:
    """How large a patch is, as the configuration or a part says; 1 where none does."""
    config = getattr(module, "config", None)
    owners = [getattr(config, "vision_config", None), config, *module.modules()]
    for owner in owners:
        for name in ("patch_stride", "patch_size"):
            size = getattr(owner, name, None)
            size = size[-1] if isinstance(size, (tuple, list)) and size else size
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                return size
    return 1


def same_picture(given: Tensor, picture: Tensor) -> bool:
    """Whether what a convolution reads is the picture, but for a factor and an offset a channel."""
    if given.ndim < 3:
        return False
    one, other = given.float(), picture.float()
    if torch.equal(one, other):
        return True
    around = tuple(axis for axis in range(given.ndim) if axis != 1)
    one, other = (
        (t - t.mean(around, keepdim=True)) / (t.std(around, keepdim=True) + 1e-12)
        for t in (one, other)
    )
    return bool((one - other).abs().max() < 1e-3) and bool(other.abs().max() > 0)
