"""Which weights a model multiplies with values: the proof of those that it returns.

And the last resort where it returns none: a softmax whose result is multiplied with values is
attention, whoever wrote it. Both are exact by construction, because they are the very tensor that the
model multiplied its values with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.models.attention import is_covered
from viz.models.calling import calling_part
from viz.models.heads import head_count

SOFTMAX = {torch.softmax, functional.softmax, Tensor.softmax}
PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm}

# How far the first row of what may be weights may be from summing to 1; enough for every dtype.
LIKELY = 2e-2

# How streams of one part are told apart in its name.
STREAM = "#"
STREAMS = ("content", "query")

# Softmaxes that wait for their product; a router's never comes.
WAITING = 4


class Softmaxes(TorchFunctionMode):
    """Watches for softmaxes in this thread, and keeps those that are multiplied with values.

    Attributes:
        found: the part that computed each, and its weights [batch or window, head, query, key].
        multiplied: whatever looked like weights and was multiplied, in any number of dimensions.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.names = {id(part): name for name, part in module.named_modules()}
        self.module = module
        self.found: list[tuple[str, Tensor]] = []
        self.multiplied: list[Tensor] = []
        self._waiting: list[Tensor] = []
        self._parts = dict(module.named_modules())
        self._told = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if is_covered():
            return result
        if func in SOFTMAX and result.ndim >= 3:
            self._waiting = [*self._waiting[-WAITING:], result]
        elif func in PRODUCTS and isinstance(args[0], Tensor):
            self._multiply(args[0])
        elif func is torch.einsum:
            for factor in args[1] if isinstance(args[1], (tuple, list)) else args[1:]:
                self._multiply(factor)
        return result

    def end_of(self, name: str) -> None:
        """Tell two streams of a part apart, once it has run.

        XLNet's layers look twice with the same keys: from contents, and from positions whose
        content is to be guessed.
        """
        mine = [n for n in range(self._told, len(self.found)) if self.found[n][0] == name]
        if len(mine) == len(STREAMS) and "XLNet" in type(self._parts[name]).__name__:
            for number, stream in zip(mine, STREAMS, strict=True):
                self.found[number] = (f"{name}{STREAM}{stream}", self.found[number][1])
        if mine:
            self._told = len(self.found)

    def _multiply(self, left: Tensor) -> None:
        """Keep weights, and a softmax that turns out to weigh something."""
        if left.ndim >= 3 and left.is_floating_point() and left.numel():
            first = left[(0,) * (left.ndim - 1)].float()
            if abs(float(first.sum()) - 1) < LIKELY or not bool(first.any()):
                self.multiplied.append(left)
        for number, weights in enumerate(self._waiting):
            same_memory = weights.data_ptr() == left.data_ptr()
            if same_memory and weights.shape[-2:] == left.shape[-2:]:
                del self._waiting[number]
                part = calling_part(self.names, self.module)
                by_head = _by_head(weights.detach(), part)
                if by_head is not None:
                    self.found.append((self.names[id(part)], by_head))
                return


def _by_head(weights: Tensor, part: nn.Module) -> Tensor | None:
    """Bring weights to [batch or window, head, query, key]; None where the heads cannot be told."""
    if weights.ndim == 4:
        return weights
    heads = head_count(part)
    if heads is None:
        return None
    if weights.ndim == 3:
        whole = weights.shape[0] % heads == 0
        return weights.reshape(-1, heads, *weights.shape[1:]) if whole else None
    middle = [dim for dim in range(1, weights.ndim - 2) if weights.shape[dim] == heads]
    if len(middle) != 1:
        return None
    return weights.movedim(middle[0], -3).flatten(0, -4)
