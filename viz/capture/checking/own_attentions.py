"""What a model's own pass says of each captured layer: its weights, or what it returns instead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TypeVar

from torch import Tensor

from viz.capture.checking.reference_pass import OwnPass, in_short
from viz.capture.checking.returned_attentions import (
    another_layout,
    explain,
    has_shape,
    identity,
    sinkless,
)
from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.capture.stack import Stack
from viz.inputs.prepared import Prepared

log = logging.getLogger(__name__)

NOT_USED = "the weights that the model returns are not those that it used"
NOTHING = "the model returns no weights of its own"

# [batch or window, head, query, key]; what parts return beside their output may be anything.
WEIGHTS_DIMENSIONS = 4

# Rows sum to 1 within this, in any type.
SHORT = 5e-2

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Compared:
    """How far one layer is from the model's own; NaN where nothing could be compared, and a note."""

    difference: float
    note: str


def compare_layers(
    stacks: Sequence[Stack], own: OwnPass, prepared: Prepared, allowed: Sequence[float]
) -> list[Compared]:
    """Compare every layer, stack by stack, with what the model's own pass showed of it.

    Args:
        stacks: as they were captured.
        own: the model's own eager pass.
        prepared: what both were given.
        allowed: what rounding allows in a weight, layer by layer.
    """
    used: dict[str, list[Tensor]] = {}
    for name, weights in own.returned.proven_apart_from(()):
        used.setdefault(name, []).append(weights)
    by_call, nobodys = _passed_on(own)
    by_order = _by_order(stacks, own, by_call, nobodys)
    said = {name: list(calls) for name, calls in own.said.items()}
    compared: list[Compared] = []
    for stack in stacks:
        for number, record in enumerate(stack.records):
            layer = _Layer(
                _unwindowed(record), prepared.item, prepared.batch, allowed[len(compared)]
            )
            multiplied = layer.take(used.get(record.name, []), lambda one: [one])
            call = layer.take(said.get(record.name, []), lambda one: one.beside)
            fields = [] if call is None else by_call.get(id(call), [])
            if (stack.name, number) in by_order:
                fields = [*fields, by_order[stack.name, number]]
            beside = [] if call is None else [one for one in call.beside if _may_be(one)]
            try:
                found = _compare(layer, multiplied, fields or beside, own)
                if isnan(found.difference) and fields and beside:
                    # As the part returned it, before the model laid it out anew or made more of it.
                    other = _compare(layer, None, beside, own)
                    its = {one.data_ptr() for one in fields} <= {one.data_ptr() for one in beside}
                    found = Compared(other.difference, (other if its else found).note)
            except Exception as error:
                # A defect of ours, but no reason to lose what is known of the other layers.
                log.exception("layer %s could not be compared", record.name)
                found = Compared(nan, f"it could not be compared ({in_short(error)})")
            compared.append(
                Compared(nan, _failed(own)) if found.note == NOTHING and own.failure else found
            )
    return compared


@dataclass(frozen=True, slots=True)
class _Layer:
    """A captured layer as the model called it, which item it holds, and what rounding allows."""

    record: Layer
    item: int
    batch: int
    allowed: float

    def take(self, calls: list[One], tensors: Callable[[One], Sequence[Tensor]]) -> One | None:
        """Take the first call that has its shape out of those of its part, or else the first.

        A part that is called in several places has its layers in several stacks.
        """
        for number, call in enumerate(calls):
            if any(has_shape(one, self.record, self.item, self.batch) for one in tensors(call)):
                return calls.pop(number)
        return calls.pop(0) if calls else None


def _failed(own: OwnPass) -> str:
    """Say that a model raised something when it was asked."""
    asked = "fails when it is asked for its weights" if own.outputs else "cannot run here"
    return f"the model's eager attention {asked} ({own.failure})"


def _compare(
    layer: _Layer, multiplied: Tensor | None, returned: Sequence[Tensor], own: OwnPass
) -> Compared:
    """Compare with what values were multiplied with, and say what was returned as weights."""
    used = None if multiplied is None else _as_used(layer, multiplied)
    if used is not None and multiplied is not None:
        if not returned or any(_is_same(one, multiplied) for one in returned):
            return used
        told = _as_returned(layer, returned, own)
        return told if isnan(used.difference) else Compared(used.difference, told.note)
    return _as_returned(layer, returned, own) if returned else Compared(nan, NOTHING)


def _as_used(layer: _Layer, multiplied: Tensor) -> Compared:
    """Compare with the very numbers that values were multiplied with."""
    record, at, allowed = layer.record, (layer.item, layer.batch), layer.allowed
    apart = identity(multiplied, record, *at, allowed)
    if apart is None:
        return Compared(nan, f"the model returns {another_layout(multiplied)}")
    if apart > allowed and _has_sinks(record):
        # The model may take the sink's share off its output instead.
        without = sinkless(multiplied, record, *at)
        if without <= allowed:
            return Compared(without, "the model returns its rows without the sink's share")
    return Compared(apart, "")


def _as_returned(layer: _Layer, returned: Sequence[Tensor], own: OwnPass) -> Compared:
    """Say what tensors are that a part, or the model for it, returned as weights."""
    record, at, allowed = layer.record, (layer.item, layer.batch), layer.allowed
    read = [explain(one, record, *at, allowed) for one in returned]
    fitting = [one for one in read if not isnan(one.difference)]
    if fitting:
        best = min(fitting, key=lambda one: (bool(one.note), one.difference))
        return Compared(best.difference, f"the model returns {best.note}" if best.note else "")
    if _has_sinks(record):
        # What leaves a sink its share sums to less than 1, and is not known by its sums.
        short = [identity(one, record, *at, allowed) for one in returned if _is_short_of_one(one)]
        differences = [one for one in short if one is not None]
        if differences:
            return Compared(min(differences), "")
    hidden = next((one for one in returned if one.data_ptr() in own.streams), None)
    if hidden is not None:
        shape = " x ".join(map(str, hidden.shape))
        return Compared(nan, f"the model returns hidden states ({shape}) as its attentions")
    if any(not one.note for one in read):
        return Compared(nan, NOT_USED)
    return Compared(nan, f"the model returns {read[0].note}")


def _has_sinks(record: Layer) -> bool:
    return isinstance(record, RecordedLayer) and record.sinks is not None


def _passed_on(own: OwnPass) -> tuple[dict[int, list[Tensor]], list[list[Tensor]]]:
    """Sort what the model returned as `attentions` by the call of a part that made it.

    Returns:
        Tensors by the identity of a `Said`, and the fields of which no part is known.
    """
    whose = {
        one.data_ptr(): id(call)
        for calls in own.said.values()
        for call in calls
        for one in (call.output, *call.beside)
        if one is not None
    }
    by_call: dict[int, list[Tensor]] = {}
    nobodys = []
    for tensors in own.attentions().values():
        for one in tensors:
            if one.data_ptr() in whose:
                by_call.setdefault(whose[one.data_ptr()], []).append(one)
        if not any(one.data_ptr() in whose for one in tensors):
            nobodys.append(tensors)
    return by_call, nobodys


def _by_order(
    stacks: Sequence[Stack], own: OwnPass, known: Collection[int], fields: Sequence[list[Tensor]]
) -> dict[tuple[str, int], Tensor]:
    """Say by their order which layers tensors stand for, where only one stack has as many layers."""
    spoken_for = {
        name for name, calls in own.said.items() if any(id(call) in known for call in calls)
    }
    free = [
        stack for stack in stacks if not any(record.name in spoken_for for record in stack.records)
    ]
    found: dict[tuple[str, int], Tensor] = {}
    for tensors in fields:
        fitting = [stack for stack in free if stack.layers == len(tensors)]
        if len(fitting) == 1:
            found |= {(fitting[0].name, number): one for number, one in enumerate(tensors)}
    return found


def _may_be(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim >= WEIGHTS_DIMENSIONS and tensor.numel() > 0


def _is_same(one: Tensor, other: Tensor) -> bool:
    same = one.data_ptr() == other.data_ptr() and one.shape == other.shape
    return same and one.stride() == other.stride()


def _unwindowed(record: Layer) -> Layer:
    """Take a layer as the model called it, window by window, where it is shown arranged."""
    inner: Layer = getattr(record, "inner", record)
    return inner


def _is_short_of_one(tensor: Tensor) -> bool:
    """Whether rows may be weights of which a sink took its share."""
    sums = tensor.sum(dim=-1)
    return float(tensor.min()) >= 0 and float(sums.max()) < 1 + SHORT
