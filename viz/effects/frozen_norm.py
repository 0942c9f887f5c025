"""A norm with its scale held at what it was, which makes it linear: told by what it does, not by its name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# How far a part's output may be from a norm's, as a share of its size: float32 and the half types.
APART = {torch.float32: 1e-4, torch.float64: 1e-4}
HALF_APART = 0.02


@dataclass(frozen=True, slots=True)
class FrozenNorm:
    """What a norm did to one vector.

    Attributes:
        gain: factor on each number, [d_model], float32.
        bias: what is added after it, [d_model].
        centred: whether the mean is taken off before (layer norm), or not (RMS norm).
    """

    gain: Tensor
    bias: Tensor
    centred: bool

    def back(self, direction: Tensor) -> Tensor:
        """Carry a direction of what it puts out back to what it was handed; both [d_model]."""
        scaled = direction.float() * self.gain
        return scaled - scaled.mean() if self.centred else scaled


@torch.no_grad()
def frozen_norm(part: nn.Module, given: Tensor, result: Tensor) -> FrozenNorm | None:
    """Hold a norm at what it did to a vector.

    Args:
        part: a module.
        given: what it was handed, [d_model].
        result: what it returned for it, [d_model].

    Returns:
        None where it is no norm.
    """

    def called(vector: Tensor) -> Tensor:
        # Not the module itself, whose hooks would take this for a part of the pass.
        answer: Tensor = part.forward(vector[None, None].to(given.dtype))[0, 0].float()
        return answer

    draw = torch.Generator().manual_seed(0)
    probe = torch.randn(given.shape, generator=draw).to(given.device).sign() * 1.5
    probe[::2] *= 0.5
    try:
        bias = called(torch.zeros_like(given))
        answer = called(probe) - bias
    except (TypeError, RuntimeError, ValueError, IndexError):
        return None
    if answer.shape != given.shape or not bool(
        torch.isfinite(answer).all() and torch.isfinite(bias).all()
    ):
        return None
    wanted = result.float() - bias
    for centred in (False, True):
        one, own = (
            vector.float() - vector.float().mean() if centred else vector.float()
            for vector in (probe, given)
        )
        pattern = answer / one
        shown = pattern * own
        size = shown.square().sum()
        if not size > 0:
            continue
        # The norm of the vector itself, with whatever is added to it against a division by 0.
        gain = pattern * ((shown * wanted).sum() / size)
        apart = torch.linalg.vector_norm(gain * own - wanted)
        if apart <= APART.get(given.dtype, HALF_APART) * torch.linalg.vector_norm(wanted):
            return FrozenNorm(gain, bias, centred)
    return None
