"""What a product of weights and values may be off by."""

from __future__ import annotations

import torch
from torch import Tensor

# In units of epsilon: long sums in float32 add up their roundings, while the half types are summed
# in float32 and rounded a few times only.
SUMMED = 64
ROUNDED = 4


def allowed_error(dtype: torch.dtype) -> float:
    """Return how far weights @ v may be from a head's output, for values of size 1."""
    summed = dtype in (torch.float32, torch.float64)
    return (SUMMED if summed else ROUNDED) * torch.finfo(dtype).eps


def wide(tensor: Tensor) -> Tensor:
    """Bring a tensor to float32, or leave it in float64."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
