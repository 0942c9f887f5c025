"""Random numbers that a model may draw: two passes are compared from one state of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viz.models.random_state import random_state, restore_random


@dataclass(frozen=True, slots=True)
class Chance:
    """The state of every generator that a forward draws from without naming one of its own.

    Attributes:
        torch_states: of the CPU and each CUDA device.
        numpy_state: of numpy's global generator.
        python_state: of the standard library's.
    """

    torch_states: list[Tensor]
    numpy_state: Any
    python_state: Any

    @classmethod
    def now(cls) -> Chance:
        """Take the states down."""
        return cls(random_state(), np.random.get_state(legacy=False), random.getstate())

    def restore(self) -> None:
        """Set every generator to these states, where it has moved on."""
        if not self.moved():
            return
        restore_random(self.torch_states)
        np.random.set_state(self.numpy_state)
        random.setstate(self.python_state)

    def moved(self) -> bool:
        """Whether anything was drawn since."""
        now = random_state()
        drawn = [torch.equal(a, b) for a, b in zip(self.torch_states, now, strict=True)]
        there: Any = np.random.get_state(legacy=False)
        before, after = self.numpy_state["state"], there["state"]
        return not (
            all(drawn)
            and before["pos"] == after["pos"]
            and np.array_equal(before["key"], after["key"])
            and self.python_state == random.getstate()
        )
