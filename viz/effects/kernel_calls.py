"""Calls of PyTorch's kernel that a module makes itself, shown and edited as those of transformers' registry are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.capture.tiers.registry import is_covered, is_seen, shown
from viz.capture.tiers.running_part import calling_part
from viz.capture.tiers.sdpa_axes import USUAL
from viz.capture.tiers.sdpa_calls import sdpa_call


class KernelCalls(TorchFunctionMode):
    """Hands each call on [batch, head, token, d] to the editor and the observer of the context.

    Calls with other axes are left alone; their layers are then found to be missing.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.known = {id(part): name for name, part in module.named_modules()}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch; what the kernel returns is what the editor makes of it."""
        result = func(*args, **(kwargs or {}))
        if func is not functional.scaled_dot_product_attention or is_covered() or not is_seen():
            return result
        if not isinstance(result, Tensor) or result.ndim != USUAL:
            return result
        part = calling_part(self.known, self.module)
        by_query = result.transpose(1, 2)
        return shown(sdpa_call(part, by_query, *args, **(kwargs or {}))).transpose(1, 2)
