"""What a convolution would return, without computing it: its shape, and how large its numbers are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

# Numbers that say how large all are.
SPREAD_NUMBERS = 1 << 14


def convolved_shape(part: nn.Module, given: Tensor) -> torch.Size | None:
    """The shape of a convolution's output; None of another module, or of a convolution with code of its own.

    Source: the documentation of torch.nn.Conv2d, "Shape".
    """
    if type(part) not in PLAIN or part.weight.dtype != given.dtype:
        return None
    assert isinstance(part, _ConvNd)
    axes = len(part.kernel_size)
    if given.ndim != axes + 2:
        return None
    sizes = []
    for axis, size in enumerate(given.shape[2:]):
        reach = part.dilation[axis] * (part.kernel_size[axis] - 1)
        if part.padding == "same":
            around = reach
        else:
            around = 0 if isinstance(part.padding, str) else 2 * part.padding[axis]
        sizes.append((size + around - reach - 1) // part.stride[axis] + 1)
    if min(sizes) < 1:
        return None  # the convolution says why
    return torch.Size([given.shape[0], part.out_channels, *sizes])


def convolved_spread(part: nn.Module, given: Tensor) -> float:
    """How large a convolution's numbers are, about, if what it is given varies from cell to cell by chance."""
    assert isinstance(part, _ConvNd)
    weight = part.weight.detach().float()
    return spread_of(given) * float((weight.square().sum() / part.out_channels).sqrt())


def spread_of(numbers: Tensor) -> float:
    """The standard deviation of some numbers of many; 1 of a single one."""
    some = numbers.flatten()[:: max(1, numbers.numel() // SPREAD_NUMBERS)]
    return float(some.float().std().nan_to_num(1.0))
