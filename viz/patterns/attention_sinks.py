"""Which key takes the weight that a head does not need."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.inputs.units import Units
from viz.patterns.span_sums import sum_over

# Of a text with more special tokens only so many are tried.
MOST_TRIED = 32


def likely_sinks(keys: Units) -> Tensor:
    """Name the first key and the special ones; none where there is but one key."""
    if len(keys) < 2:
        return torch.arange(0)
    return torch.tensor((True, *keys.special[1:])).nonzero()[:, 0]


def sink_key(
    layer: Layer,
    head: int,
    totals: Tensor | None,
    keys: Units,
    going: Callable[[], None] | None = None,
) -> int | None:
    """Return the key that takes most weight of a head, among the first and the special ones.

    Args:
        layer: that has the head.
        head: from 0.
        totals: log-sum-exp of the layer's rows, [head, query], where it is known.
        keys: what the layer's keys stand for.
        going: called between blocks; may raise to cancel.

    Cost: queries * d for each key that is tried.
    """
    tried = likely_sinks(keys)[:MOST_TRIED].tolist()
    if len(tried) < 2:
        return tried[0] if tried else None

    def received(key: int) -> float:
        return float(sum_over(layer, head, totals, "keys", range(key, key + 1), going).sum())

    return int(max(tried, key=received))
