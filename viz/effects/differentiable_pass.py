"""A pass of a model through which one can differentiate, down to what its embeddings put out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from viz.inputs.input_copies import copies


@contextmanager
def differentiable(module: nn.Module) -> Iterator[None]:
    """Let gradients flow through a module, and none be kept for its parameters.

    What embeddings put out is where they end: so the pass needs no memory for the parameters' own.
    """
    wanted = [(one, one.requires_grad) for one in module.parameters()]
    handles = [
        part.register_forward_hook(_begin)
        for part in module.modules()
        if isinstance(part, nn.Embedding)
    ]
    try:
        for one, _ in wanted:
            one.requires_grad_(False)
        with torch.enable_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
        for one, was in wanted:
            one.requires_grad_(was)


def _begin(_part: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
    if not isinstance(output, Tensor) or output.requires_grad or not output.is_floating_point():
        return None
    # A copy, because models add to it in place, which no leaf allows.
    return output.detach().requires_grad_().clone()


def differentiable_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a model's inputs; pictures, sounds and embeddings among them are differentiated by, too."""
    given = copies(inputs)
    for name, value in given.items():
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 2:
            given[name] = value.requires_grad_().clone() if "mask" not in name else value
    return given
