"""The way from a prediction back through attention layers to the units that the model read.

A text that attends to itself is one side. An encoder-decoder has two: what it writes, where the prediction is made, and
what it reads, which the cross attention leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.capture.trace import Trace
from viz.errors import InputError, ShapeError
from viz.inputs.units import Units

# What arrives at a unit is let go of below this share of the largest: float32 cannot tell it from 0 beside that.
SMALLEST = 1e-9

# Stacks of a model that reads one text and writes another.
BOTH_SIDES = ("encoder", "decoder", "cross")


@dataclass(frozen=True, slots=True)
class Step:
    """One attention layer on the way.

    Attributes:
        stack: of the layer.
        layer: of the stack.
        record: its weights.
        queries: the side that looks.
        keys: the side that is looked at.
    """

    stack: str
    layer: int
    record: Layer
    queries: str
    keys: str

    @property
    def crosses(self) -> bool:
        """Whether it leads to another side."""
        return self.queries != self.keys


@dataclass(frozen=True, slots=True)
class WayBack:
    """All attention layers between a prediction and what the model read.

    Attributes:
        sides: units, by the stack in which they attend to themselves.
        own: the side on which the prediction is made.
        source: the side that the model read; the same where there is one.
        steps: from the prediction back, the reverse of the order in which the model ran them.
    """

    sides: Mapping[str, Units]
    own: str
    source: str
    steps: tuple[Step, ...]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.steps[0].record.tensors[0].device

    def begin(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """Stand at rows of the prediction's side, float32 [row, unit] of each side."""
        at = {
            name: torch.zeros(len(rows), len(units), device=self.device)
            for name, units in self.sides.items()
        }
        at[self.own][torch.arange(len(rows)), torch.as_tensor(list(rows), device=self.device)] = 1
        return at


def way_of(stack: Stack, layers: int | None = None) -> WayBack:
    """Go back through the layers of one stack.

    Args:
        stack: whose queries stand among its keys.
        layers: how many of the first layers; all by default.

    Raises:
        ShapeError: the queries are other units than the keys.
    """
    _require_to_itself(stack)
    records = list(enumerate(stack.records[:layers]))
    steps = [Step(stack.name, number, one, stack.name, stack.name) for number, one in records]
    return WayBack({stack.name: stack.keys}, stack.name, stack.name, tuple(reversed(steps)))


def way_back(trace: Trace, calls: Sequence[tuple[str, int]]) -> WayBack:
    """Go back from what a model predicts: through its own text, and through what an encoder-decoder read.

    Args:
        trace: of the pass.
        calls: stack and layer of each attention call, in the order in which the model made them; within a layer of a
            decoder usually first its own attention, then the cross attention.

    Raises:
        InputError: the model attends in other stacks than these.
        ShapeError: weights lead to units that no stack goes on from.
    """
    stacks = trace.stacks
    beside = [name for name in stacks if "cross" in name]
    if "self" in stacks and not beside:
        return way_of(stacks["self"])
    if set(stacks) != set(BOTH_SIDES):
        raise InputError(
            f"{trace.model.name} attends in {', '.join(stacks)}: weights are followed back through one stack in which "
            f"a text attends to itself alone, or through {', '.join(BOTH_SIDES)}.",
            "Choose another method.",
        )
    encoder, decoder, cross = (stacks[name] for name in BOTH_SIDES)
    _require_to_itself(encoder)
    _require_to_itself(decoder)
    for whose, own, other in (
        ("queries", cross.queries, decoder.keys),
        ("keys", cross.keys, encoder.keys),
    ):
        if own.kind != other.kind or own.labels != other.labels:
            raise ShapeError(
                f"The {whose} of the cross attention are {own.counted()}, and its other stack has "
                f"{other.counted()} of other names, so weights cannot be followed further.",
                "Choose another method.",
            )
    sides = {"encoder": ("encoder", "encoder"), "decoder": ("decoder", "decoder")}
    sides["cross"] = ("decoder", "encoder")
    steps = [Step(name, layer, stacks[name].records[layer], *sides[name]) for name, layer in calls]
    first = next((at for at, step in enumerate(steps) if step.crosses), len(steps))
    late = [step.record.name for step in steps[first:] if step.stack == "encoder"]
    if late or len(steps) != sum(stack.layers for stack in stacks.values()):
        raise InputError(
            f"{trace.model.name} does not run all layers of its encoder before what it writes looks at them"
            + (f": {late[0]} comes later." if late else "."),
            "Choose another method.",
        )
    units = {"decoder": decoder.keys, "encoder": encoder.keys}
    return WayBack(units, "decoder", "encoder", tuple(reversed(steps)))


# What a layer's heads hand on together, [row, key], of their weights [head, row, key] at rows and a run of keys.
OfHeads = Callable[[Tensor, Tensor, slice], Tensor]


def carried_back(step: Step, arrived: Tensor, of_heads: OfHeads) -> Tensor:
    """Carry what arrived at a layer's queries to its keys, in blocks of rows.

    Args:
        step: the layer.
        arrived: float32 [row, query].
        of_heads: what is handed on.

    Returns:
        Float32 [row, key].
    """
    carried = arrived.new_zeros(len(arrived), step.record.shape[1])
    size = arrived.abs()
    reached = (size > SMALLEST * size.max()).any(dim=0).nonzero()[:, 0]
    for block, weights, first in blocks(step.record, slice(0, step.record.heads), reached):
        keys = slice(first, first + weights.shape[2])
        carried[:, keys] += arrived[:, block] @ of_heads(weights, block, keys)
    return carried


@dataclass(slots=True)
class LayersDone:
    """Counts layers that are done, and tells how many.

    Attributes:
        progress: called with how many layers are done, and of how many; may raise to cancel.
        of: how many there are.
        done: how many are.
    """

    progress: Callable[[int, int], None] | None
    of: int
    done: int = 0

    def __call__(self) -> None:
        """Count one more."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.of)


def _require_to_itself(stack: Stack) -> None:
    """Make sure that weights lead to the units that they come from, so that they can be followed through the layers.

    Raises:
        ShapeError: they do not.
    """
    if not stack.aligned or len(stack.queries) != len(stack.keys):
        raise ShapeError(
            f"Weights of {stack.name} lead from its queries to other units, so they cannot be followed further.",
            "Choose a stack in which a text attends to itself.",
        )
