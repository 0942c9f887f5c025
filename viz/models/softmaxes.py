"""The last resort: a softmax whose result is multiplied with values is attention, whoever wrote it.

Only where nothing else shows a model's attention. What is found is exact by construction, because it
is the very tensor that the model multiplied its values with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.models.calling import calling_part

SOFTMAX = {torch.softmax, functional.softmax, Tensor.softmax}
PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm}

# How modules call their number of heads.
HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads", "heads", "n_head")

# Softmaxes that wait for their product; a router's never comes.
WAITING = 4


class Softmaxes(TorchFunctionMode):
    """Watches for softmaxes in this thread, and keeps those that are multiplied with values.

    Attributes:
        found: the part that computed each, and its weights [batch or window, head, query, key].
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.names = {id(part): name for name, part in module.named_modules()}
        self.module = module
        self.found: list[tuple[str, Tensor]] = []
        self._waiting: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in SOFTMAX and result.ndim >= 3:
            self._waiting = [*self._waiting[-WAITING:], result]
        elif func in PRODUCTS and isinstance(args[0], Tensor):
            self._multiplied(args[0])
        return result

    def _multiplied(self, left: Tensor) -> None:
        """Keep a softmax that turns out to weigh something."""
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
    heads = next((getattr(part, name) for name in HEAD_COUNTS if hasattr(part, name)), None)
    if not isinstance(heads, int) or heads < 1:
        return None
    if weights.ndim == 3:
        whole = weights.shape[0] % heads == 0
        return weights.reshape(-1, heads, *weights.shape[1:]) if whole else None
    middle = [dim for dim in range(1, weights.ndim - 2) if weights.shape[dim] == heads]
    if len(middle) != 1:
        return None
    return weights.movedim(middle[0], -3).flatten(0, -4)
