"""Decoders that look at their own tokens and at what they read along one axis of keys (T5Gemma 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.inputs.units import Units, joined


def both_sides(layers: Sequence[Layer], known: Sequence[Units]) -> Units | None:
    """Name keys that are a target's tokens and a source's, in the order that the mask proves.

    A decoder looks at no later token of its own, and at the source alike from each: only one order
    fits a mask like that, unless there is but one token.

    Args:
        layers: of one stack.
        known: a source and a target; anything else has no two sides.

    Returns:
        The keys' names; None where they are not both sides, or the order is not proven.
    """
    if len(known) != 2:
        return None
    source, target = known
    queries, keys = layers[0].shape
    if queries != len(target) or keys != len(source) + len(target) or queries < 2:
        return None
    orders = set()
    for layer in layers:
        allowed = layer.may_look(torch.arange(queries, device=layer.tensors[0].device))
        first = _is_decoder(allowed[..., :queries], allowed[..., queries:])
        last = _is_decoder(allowed[..., -queries:], allowed[..., :-queries])
        orders.add((first, last))
    if orders == {(True, False)}:
        return joined(target, source)
    return joined(source, target) if orders == {(False, True)} else None


def _is_decoder(own: Tensor, other: Tensor) -> bool:
    """Whether each token looks at itself, at none after it, and at the same of what it reads."""
    diagonal = own.diagonal(dim1=-2, dim2=-1)
    return bool(diagonal.all() and not own.triu(1).any() and (other == other[..., :1, :]).all())
