"""What a model's own pass says of each captured layer: its weights, or what it returns instead."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TypeVar

from torch import Tensor

from viz.capture.layer import Layer, RecordedLayer
from viz.capture.own_pass import OwnPass, in_short
from viz.capture.readings import another_layout, explain, identity, sinkless
from viz.capture.stack import Stack
from viz.models.prepared import Prepared

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
    shown = {name for name, _ in own.returned.proven}
    used: dict[str, list[Tensor]] = {}
    for name, weights in (*own.returned.proven, *own.returned.apart_from(shown)):
        used.setdefault(name, []).append(weights)
    fields = _fields_of(stacks, own)
    calls: Counter[str] = Counter()
    compared: list[Compared] = []
    for stack in stacks:
        for number, record in enumerate(stack.records):
            call = calls[record.name]
            calls[record.name] += 1
            multiplied = _at(used.get(record.name, ()), call)
            said = _at(own.said.get(record.name, ()), call)
            field = fields.get((stack.name, number))
            returned = [] if said is None else [one for one in said.beside if _may_be(one)]
            if field is not None and not any(_is_same(field, one) for one in returned):
                returned.append(field)
            plain = _unwindowed(record)
            at = prepared.item, prepared.batch
            try:
                found = _compare(plain, multiplied, returned, own, at, allowed[len(compared)])
            except Exception as error:
                # A defect of ours, but no reason to lose what is known of the other layers.
                log.exception("layer %s could not be compared", record.name)
                found = Compared(nan, f"it could not be compared ({in_short(error)})")
            compared.append(
                Compared(nan, _failed(own)) if found.note == NOTHING and own.failure else found
            )
    return compared


def _failed(own: OwnPass) -> str:
    """Say that a model raised something when it was asked."""
    asked = "fails when it is asked for its weights" if own.outputs else "cannot run here"
    return f"the model's eager attention {asked} ({own.failure})"


def _compare(
    record: Layer,
    multiplied: Tensor | None,
    returned: Sequence[Tensor],
    own: OwnPass,
    at: tuple[int, int],
    allowed: float,
) -> Compared:
    """Compare with what values were multiplied with first, then say what was returned beside it."""
    difference, note = nan, ""
    if multiplied is not None:
        apart = identity(multiplied, record, *at, allowed)
        if apart is None:
            note = f"the model returns {another_layout(multiplied)}"
        else:
            difference = apart
            # The model may take the sink's share off its output instead.
            if apart > allowed and isinstance(record, RecordedLayer) and record.sinks is not None:
                without = sinkless(multiplied, record, *at)
                if without <= allowed:
                    words = "the model returns its rows without the sink's share"
                    return Compared(without, words)
    read = [explain(one, record, *at, allowed) for one in returned]
    fitting = [one for one in read if not isnan(one.difference)]
    if fitting:
        best = min(fitting, key=lambda one: (bool(one.note), one.difference))
        words = f"the model returns {best.note}" if best.note else ""
        return Compared(best.difference if isnan(difference) else difference, words)
    if isnan(difference) and isinstance(record, RecordedLayer) and record.sinks is not None:
        # What leaves a sink its share sums to less than 1, and is not known by its sums.
        short = [identity(one, record, *at, allowed) for one in returned if _is_short_of_one(one)]
        differences = [one for one in short if one is not None]
        if differences:
            return Compared(min(differences), "")
    hidden = next((one for one in returned if one.data_ptr() in own.streams), None)
    if hidden is not None:
        shape = " x ".join(map(str, hidden.shape))
        return Compared(difference, f"the model returns hidden states ({shape}) as its attentions")
    if any(not one.note for one in read):
        return Compared(difference, NOT_USED)
    if read:
        return Compared(difference, f"the model returns {read[0].note}")
    if not isnan(difference) or note:
        return Compared(difference, note)
    return Compared(nan, NOTHING)


def _fields_of(stacks: Sequence[Stack], own: OwnPass) -> dict[tuple[str, int], Tensor]:
    """Say which tensor of the model's `attentions` stands for which layer.

    By the part that returned it; else by order, where one stack alone has as many layers as the
    field has tensors and is not spoken for.
    """
    found: dict[tuple[str, int], Tensor] = {}
    fields = own.attentions()
    by_place: dict[tuple[str, int], tuple[str, int]] = {}
    calls: Counter[str] = Counter()
    for stack in stacks:
        for number, record in enumerate(stack.records):
            by_place[record.name, calls[record.name]] = (stack.name, number)
            calls[record.name] += 1
    whose = {
        one.data_ptr(): by_place[name, call]
        for name, said in own.said.items()
        for call, one_call in enumerate(said)
        for one in (one_call.output, *one_call.beside)
        if one is not None and (name, call) in by_place
    }
    left: list[list[Tensor]] = []
    for tensors in fields.values():
        known = [whose.get(one.data_ptr()) for one in tensors]
        if not any(known):
            left.append(tensors)
        for place, one in zip(known, tensors, strict=True):
            if place is not None:
                found[place] = one
    for tensors in left:
        fitting = [
            stack
            for stack in stacks
            if stack.layers == len(tensors) and (stack.name, 0) not in found
        ]
        if len(fitting) == 1:
            found |= {(fitting[0].name, n): one for n, one in enumerate(tensors)}
    return found


def _may_be(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim >= WEIGHTS_DIMENSIONS and tensor.numel() > 0


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.numel() == other.numel()


def _unwindowed(record: Layer) -> Layer:
    """Take a layer as the model called it, window by window, where it is shown arranged."""
    inner: Layer = getattr(record, "inner", record)
    return inner


def _at(items: Sequence[One], number: int) -> One | None:
    return items[number] if number < len(items) else None


def _is_short_of_one(tensor: Tensor) -> bool:
    """Whether rows may be weights of which a sink took its share."""
    sums = tensor.sum(dim=-1)
    return float(tensor.min()) >= 0 and float(sums.max()) < 1 + SHORT
