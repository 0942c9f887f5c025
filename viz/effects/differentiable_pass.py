"""A pass of a model through which one can differentiate, down to what its embeddings put out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from viz.inputs.input_copies import copies


@dataclass(frozen=True, slots=True)
class Start:
    """What an embedding put out, where gradients end."""

    part: nn.Module
    output: Tensor


@contextmanager
def differentiable(
    module: nn.Module, scaled: Mapping[nn.Module, float] | None = None
) -> Iterator[list[Start]]:
    """Let gradients flow through a module, and none be kept for its parameters.

    What embeddings put out is where they end: so the pass needs no memory for the parameters' own.

    Args:
        module: the model.
        scaled: embeddings of which only a share is handed on.

    Yields:
        Where they end, in the order in which the pass comes there.
    """
    starts: list[Start] = []
    wanted = [(one, one.requires_grad) for one in module.parameters()]
    handles = [
        part.register_forward_hook(_beginning(starts, (scaled or {}).get(part, 1.0)))
        for part in module.modules()
        if isinstance(part, nn.Embedding)
    ]
    try:
        for one, _ in wanted:
            one.requires_grad_(False)
        with torch.enable_grad():
            yield starts
    finally:
        for handle in handles:
            handle.remove()
        for one, was in wanted:
            one.requires_grad_(was)


def _beginning(
    starts: list[Start], share: float
) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def begin(part: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        if not isinstance(output, Tensor) or output.requires_grad or not output.is_floating_point():
            return None
        leaf = (output.detach() if share == 1 else output.detach() * share).requires_grad_()
        starts.append(Start(part, leaf))
        # A copy, because models add to it in place, which no leaf allows.
        return leaf.clone()

    return begin


def differentiable_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a model's inputs; pictures, sounds and embeddings among them are differentiated by, too."""
    given = copies(inputs)
    for name, value in given.items():
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 2:
            given[name] = value.requires_grad_().clone() if "mask" not in name else value
    return given
