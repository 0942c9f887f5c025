"""The state of PyTorch's random numbers, kept and put back."""

from __future__ import annotations

import torch
from torch import Tensor


def random_state() -> list[Tensor]:
    """Take down the state of every generator."""
    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]


def restore_random(state: list[Tensor]) -> None:
    """Set every generator to a state taken down."""
    torch.set_rng_state(state[0])
    torch.cuda.set_rng_state_all(state[1:])
