"""Which keys the queries of a layer may look at, also of weights that a model only reported."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, ReportedLayer


def looking_rule(layer: Layer) -> Callable[[Tensor], Tensor]:
    """Return what says which keys some rows may look at, bool [1 or head, row, key].

    Of weights that a model reported, 0 may mean "not allowed" as well as "not looked at": a layer that
    has none above the diagonal is taken for causal, and in any other every key counts.
    """
    if not isinstance(layer, ReportedLayer):
        return layer.may_look
    queries, keys = layer.shape
    beyond = keys - queries + 1
    ahead = any(bool(pattern.triu(beyond).any()) for pattern in layer.weights)
    width = torch.arange(keys, device=layer.weights.device)

    def may_look(rows: Tensor) -> Tensor:
        last = torch.full_like(rows, keys) if ahead else rows + beyond
        return (width < last[:, None])[None]

    return may_look
