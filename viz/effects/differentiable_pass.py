"""A pass of a model through which one can differentiate, down to what its embeddings put out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from viz.effects.graph_cuts import refuse_cut
from viz.inputs.input_copies import copies


@dataclass(frozen=True, slots=True)
class Start:
    """What an embedding put out, where gradients end.

    Attributes:
        output: of it.
        of_tokens: whether it embedded the tokens of the text; true of the first that did alone.
    """

    output: Tensor
    of_tokens: bool


@contextmanager
def differentiable(
    module: nn.Module,
    embeds_tokens: Callable[[nn.Module, Tensor], bool] | None = None,
    share: float = 1.0,
) -> Iterator[list[Start]]:
    """Let gradients flow through a module, and none be kept for its parameters.

    What embeddings put out is where they end: so the pass needs no memory for the parameters' own.

    Args:
        module: the model.
        embeds_tokens: tells the embedding of the text's tokens by the part and what it is handed.
        share: of what it puts out that is handed on.

    Yields:
        Where they end, in the order in which the pass comes there.

    Raises:
        CaptureError: within, where a part hands gradients nothing on.
    """
    starts: list[Start] = []
    wanted = [(one, one.requires_grad) for one in module.parameters()]
    handles = [
        part.register_forward_hook(_beginning(starts, embeds_tokens, share))
        for part in module.modules()
        if isinstance(part, nn.Embedding)
    ]
    handles += [
        part.register_forward_hook(refuse_cut)
        for part in module.modules()
        if not any(part.children()) or type(part).__module__.startswith("torch.ao")
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
    starts: list[Start],
    embeds_tokens: Callable[[nn.Module, Tensor], bool] | None,
    share: float,
) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def begin(part: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if not isinstance(output, Tensor) or output.requires_grad or not output.is_floating_point():
            return None
        of_tokens = (
            embeds_tokens is not None
            and not any(one.of_tokens for one in starts)
            and bool(args)
            and isinstance(args[0], Tensor)
            and embeds_tokens(part, args[0])
        )
        scaled = of_tokens and share != 1
        leaf = (output.detach() * share if scaled else output.detach()).requires_grad_()
        starts.append(Start(leaf, of_tokens))
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
