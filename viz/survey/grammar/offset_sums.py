"""How much weight goes how far back and ahead: what a head would put along a relation for its distance alone."""

from __future__ import annotations

import torch
from torch import Tensor

# Tokens back and ahead that are counted one by one; all that are farther together, on either side.
NEAR = 16
OFFSETS = 2 * NEAR + 3


def offset_numbers(offsets: Tensor) -> Tensor:
    """Number what lies so many tokens ahead (back, where negative), from the farthest back."""
    return offsets.clamp(-NEAR - 1, NEAR + 1) + NEAR + 1


def offset_sums(matrix: Tensor, column: int) -> Tensor:
    """Add up a block by how far its columns are ahead of its rows, float64 [head, offset].

    Args:
        matrix: [head, row, key run].
        column: of the run, that is the first row's own token; the second row's is the one after.
    """
    _, rows, run = matrix.shape
    own = column + torch.arange(rows, device=matrix.device)[:, None]
    near = own + torch.arange(-NEAR, NEAR + 1, device=matrix.device)  # [row, offset]
    band = matrix[:, torch.arange(rows, device=matrix.device)[:, None], near.clamp(0, run - 1)]
    band.mul_((near >= 0) & (near < run))
    ahead = torch.arange(run, device=matrix.device) - own
    flat = matrix.flatten(1)
    # A product each, which reads the block once, in place of copies that are masked.
    back, beyond = (flat @ far.flatten().to(matrix.dtype) for far in (ahead < -NEAR, ahead > NEAR))
    return torch.cat(
        (back.double()[:, None], band.sum(dim=1, dtype=torch.float64), beyond.double()[:, None]),
        dim=1,
    )
