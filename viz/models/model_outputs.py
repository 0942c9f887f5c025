"""Whatever a model returned, as tensors by the way to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

Outputs = dict[str, Tensor]


def first_output(result: Any) -> Tensor:
    """Return the logits of a pass, or else the first tensor that came out."""
    logits = getattr(result, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    return next(tensor for _, tensor in all_tensors(result))


def first_of(outputs: Outputs) -> Tensor:
    """The same, of tensors by their paths."""
    return outputs.get("/logits", next(iter(outputs.values())))


def all_tensors(result: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Walk through everything that a model returned, each tensor with the way to it."""
    if isinstance(result, Tensor):
        yield path, result
    elif isinstance(result, Mapping):
        for name, part in result.items():
            yield from all_tensors(part, f"{path}/{name}")
    elif isinstance(result, (tuple, list)):
        for number, part in enumerate(result):
            yield from all_tensors(part, f"{path}/{number}")
