"""The part of a sound that is there: models that always hear so many seconds are given silence behind it.

Frames of that silence are left out of the axes. The weights of the others stay what they are, normalised
over all keys, so that rows sum to less than 1 by what lies on the silence; `on_padding` says how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, blocks, in_short
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack, Stacks
from viz.inputs.frame_times import frame_seconds, times_of
from viz.inputs.units import Units


@dataclass(frozen=True, slots=True)
class HeardLayer:
    """The first queries and the first keys of a layer; its weights are the layer's own.

    Attributes:
        whole: the layer with all of its queries and keys.
        shape: how many queries and keys are kept.
        seconds: how long the model hears, the silence included.
    """

    whole: Layer
    shape: tuple[int, int]
    seconds: float

    __repr__ = in_short

    @property
    def name(self) -> str:
        """Of the part that attends."""
        return self.whole.name

    @property
    def provenance(self) -> Provenance:
        """How its weights were come by."""
        return self.whole.provenance

    @property
    def heads(self) -> int:
        """How many heads look."""
        return self.whole.heads

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        return self.whole.tensors

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights, normalised over all keys; see `RecordedLayer.rows`."""
        weights, first = self.whole.rows(heads, rows)
        kept = self.shape[1]
        if first >= kept:
            return weights.new_zeros(*weights.shape[:-1], kept), 0
        return weights[..., : kept - first], first

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which of the kept keys the rows may look at, bool [1 or head, row, key]."""
        return self.whole.may_look(rows)[..., : self.shape[1]]


def heard(stacks: Mapping[str, Stack], seconds: float) -> Stacks:
    """Leave out of the stacks what lies behind the end of a sound.

    Args:
        stacks: of one trace; those whose queries or keys have times are cut, and no others.
        seconds: how long the sound is, without what fills it up.

    Returns:
        The stacks. A frame that begins before the end is kept.
    """
    return Stacks((name, _heard(stack, seconds)) for name, stack in stacks.items())


def on_padding(stack: Stack, layer: int, head: int) -> Tensor:
    """Say how much weight of each query lies on frames that `heard` left out, [query]; 0 if none were."""
    record = stack.record_with(layer, head)
    queries, keys = record.shape
    device = record.tensors[0].device
    out = torch.zeros(queries, device=device)
    if isinstance(record, HeardLayer) and record.whole.shape[1] > keys:
        everyone = torch.arange(queries, device=device)
        for block, weights, first in blocks(record.whole, slice(head, head + 1), everyone):
            out[block] = weights[0, :, max(0, keys - first) :].sum(dim=-1)
    return out


def heard_in_all(stack: Stack) -> float | None:
    """Say how many seconds the model hears, silence included; None where nothing was left out."""
    record = stack.record(0)
    return round(record.seconds, 2) if isinstance(record, HeardLayer) else None


def _heard(stack: Stack, seconds: float) -> Stack:
    queries, keys = (_within(side, seconds) for side in (stack.queries, stack.keys))
    if (queries, keys) == (len(stack.queries), len(stack.keys)):
        return stack
    whole = max(_end(side) for side in (stack.queries, stack.keys))
    return replace(
        stack,
        records=tuple(HeardLayer(layer, (queries, keys), whole) for layer in stack.records),
        queries=stack.queries.part(0, queries),
        keys=stack.keys.part(0, keys),
    )


def _within(units: Units, seconds: float) -> int:
    """Count the frames that begin before the end; all units where they have no times."""
    times = times_of(units)
    if times is None:
        return len(units)
    return max(1, int(np.searchsorted(times, seconds)))


def _end(units: Units) -> float:
    """Say when the last frame ends; 0 for units that have no times."""
    times = times_of(units)
    return 0.0 if times is None else float(times[-1]) + frame_seconds(times)
