"""What a module's code decides by numbers: truth values, indexes, what it asks for as a Python number.

Passes over codes run on contents of ours. Where the code decided by the user's numbers otherwise than by ours,
what came after took another way, and says nothing of the user's pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from viz.capture.positions.sorting_functions import BY_DIMENSION, BY_NUMBER
from viz.capture.tiers.watching import watch
from viz.inputs.input_copies import copies
from viz.models.forward_errors import RUN_ERRORS
from viz.models.preserve_state import preserved

# Functions that hand numbers over to Python.
ASKS = {
    *(Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__),
    *(Tensor.__index__, Tensor.is_nonzero, torch.is_nonzero, Tensor.equal, torch.equal),
    *(Tensor.allclose, torch.allclose, Tensor.numpy, Tensor.__array__),
}

# Decisions that are kept of a pass.
MOST_DECISIONS = 4_096

Decision = tuple[int, Any]


class Decisions:
    """The decisions of a pass, each with when it was made among all that was seen."""

    def __init__(self) -> None:
        self.made: list[Decision] = []
        # What numbers each was made of, in short; nothing where it was made of whole numbers alone.
        self.made_of: list[tuple[float, ...]] = []
        # Whether they were found to be the same whatever the contents are.
        self.by_constants = False

    def note(self, func: Callable[..., Any], args: Sequence[Any], result: Any, order: int) -> None:
        """Note what a function made, if it is truth values or whole numbers, or is handed over to Python."""
        if len(self.made) == MOST_DECISIONS:
            return
        if isinstance(result, Tensor):
            if result.is_floating_point() or result.is_complex():
                return
            self.made.append((order, result.detach().clone()))
        elif func in ASKS:
            self.made.append((order, result))
        else:
            return
        with torch._C.DisableTorchFunction():
            numbers = [one for one in args if isinstance(one, Tensor) and one.is_floating_point()]
            self.made_of.append(tuple(float(one.double().sum()) for one in numbers))


class _Deciding(TorchFunctionMode):
    """Notes the decisions of a pass in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions = Decisions()
        self.chooses = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.decisions.note(func, args, result, 0)
        self.chooses |= func in BY_DIMENSION or func in BY_NUMBER
        return result


def decided_otherwise(
    module: nn.Module, inputs: Mapping[str, Any], coded: Decisions, cells: int
) -> float | None:
    """Say when a pass over codes first decided otherwise than a pass over the user's numbers; None if never.

    Args:
        module: the whole.
        inputs: the user's.
        coded: what was decided over codes.
        cells: of the largest grid. Truth values for every channel of every cell, such as those of an activation
            written by hand, are more, move no cell as a whole, and are left out.
    """
    if not coded.made or coded.by_constants:
        return None
    with torch.inference_mode(), preserved(module), suppress(*RUN_ERRORS):
        plain = _plainly(module, inputs).decisions.made
        for number, (order, value) in enumerate(coded.made):
            if number == len(plain):
                return order
            if _is_by_cells(value, cells) and not _same(value, plain[number][1]):
                return order
        return None
    return 0


def decides_by_contents(module: nn.Module, inputs: Mapping[str, Any], coded: Decisions) -> bool:
    """Whether anything that a pass over codes decided was made of contents, and not of constants of the model's.

    Those are the same numbers in a pass over the user's.
    """
    if not any(coded.made_of):
        return False
    with torch.inference_mode(), preserved(module), suppress(*RUN_ERRORS):
        found = _plainly(module, inputs)
        made_of = found.decisions.made_of[: len(coded.made_of)]
        coded.by_constants = not found.chooses and _same(made_of, coded.made_of)
    return not coded.by_constants


def _plainly(module: nn.Module, inputs: Mapping[str, Any]) -> _Deciding:
    """Run a module on the user's numbers."""
    deciding = _Deciding()
    with deciding, watch(module, lambda _: None):
        module(**copies(inputs))
    return deciding


def _is_by_cells(value: Any, cells: int) -> bool:
    return not isinstance(value, Tensor) or value.numel() <= cells


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, list):
        return bool(one == other)
    return type(one) is type(other) and bool(np.array_equal(one, other))
