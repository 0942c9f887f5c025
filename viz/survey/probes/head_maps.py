"""What a head makes of the residual stream and what it adds to it: the matrices W_V and W_O, found by what a pass does.

No part is known by its name. The part whose output holds a layer's recorded values, number for number, makes them, be it
a layer of its own or a slice of one that also makes queries and keys; the part that is handed what the heads put out
writes it back. Both are multiplied out and held against the numbers of the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.tiers.registry import AttentionCall, observe
from viz.effects.attention_calls import Call, CallNames, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.direct_attribution import owner_of
from viz.effects.frozen_norm import FrozenNorm, frozen_norm
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.residual_stream import (
    Maker,
    StreamTracer,
    Term,
    line_of,
    makers_of,
    terms_of,
    traced,
)
from viz.effects.stream_pass import StreamPass, no_stream
from viz.effects.value_norms import ProjectionWatch
from viz.errors import CaptureError
from viz.inputs.input_copies import copies
from viz.models import Model
from viz.models.context_length import table_of_ids
from viz.survey.probes.value_columns import LinearCalls, Made, columns_holding, linear_columns


@dataclass(frozen=True, slots=True)
class HeadMaps:
    """How one layer's heads read the stream and write to it, norms held at the scale that they had.

    Attributes:
        value: W_V, [kv_head, d_model, d], float32.
        output: W_O, [head, d, d_model], float32.
        before: the norm through which values read the stream; None where they read it as it is.
        behind: the norm through which the output is added to it; None where there is none.
    """

    value: Tensor
    output: Tensor
    before: FrozenNorm | None
    behind: FrozenNorm | None


@dataclass(slots=True)
class MapFinder:
    """Finds the maps of one layer after the other during a pass, and hands each on at once.

    Attributes:
        captured: the pass.
        layers: which call is which layer of the stack.
        terms: what each layer adds to the stream, by the name of its part.
        hear: is handed a layer and its maps.
        watch: of the output projections.
        start: the norm through which embeddings begin the stream; None where there is none, as in most models.
        recent: what was made since the latest call.
        read: by call, W_V and the norm before it.
        busy: a part is being tried, which is no call of the model's own.
    """

    captured: CapturedPass
    layers: Mapping[Call, int]
    terms: Mapping[str, Sequence[Term]]
    hear: Callable[[int, HeadMaps], None]
    watch: ProjectionWatch
    start: nn.Module | None
    recent: list[Made] = field(default_factory=list)
    read: dict[Call, tuple[Tensor, FrozenNorm | None]] = field(default_factory=dict)
    busy: bool = False

    def see_call(self, call: AttentionCall) -> None:
        """Find what made a call's values, and let go of everything before it."""
        self.watch(call)
        latest = self.watch.last
        if latest is None:
            raise CaptureError(f"The heads of a layer of {self.captured.model.name} are not apart.")
        at, made = latest[0], self.recent
        self.recent = []
        if at not in self.layers:
            return
        self.busy = True
        try:
            self.read[at] = self._reading(at, made, call.value)
        finally:
            self.busy = False

    def see_part(self, part: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        """Remember what a part returned that may hold values."""
        if self.busy or not args or not isinstance(args[0], Tensor):
            return
        if isinstance(result, Tensor) and result.ndim == args[0].ndim == 3:
            self.recent.append(Made(part.forward, args[0], result))

    def see_product(self, made: Made) -> None:
        """Remember a product with a matrix, which its part may make by itself."""
        if not self.busy:
            self.recent.append(made)

    def before_part(self, part: nn.Module, args: tuple[Any, ...]) -> None:
        """See whether a part writes what the latest call's heads put out, and hand its layer on."""
        if self.busy:
            return
        self.watch.try_part(part, args)
        for call, output in [*self.watch.maps.items()]:
            # One layer's matrices are held at a time.
            del self.watch.maps[call]
            if call in self.layers:
                value, before = self.read.pop(call)
                maps = HeadMaps(value, output, before, self._behind(call, part))
                self.hear(self.layers[call], maps)

    def _reading(
        self, call: Call, made: Sequence[Made], value: Tensor
    ) -> tuple[Tensor, FrozenNorm | None]:
        """Find W_V, [kv_head, d_model, d], and the norm before it.

        Raises:
            ModelRefusedError: the values are no slice of what one linear part makes of the stream.
        """
        kv_heads, _, width = value.shape[1:]
        wanted = value[0].transpose(0, 1).flatten(1)  # [key, kv_head * d]
        for one in made:
            columns = columns_holding(wanted, one.result[0])
            if columns is None:
                continue
            matrix = linear_columns(one, columns)
            if matrix is not None:
                maps = matrix.view(len(matrix), kv_heads, width).transpose(0, 1)
                return maps, self._before(call, one.given)
        raise no_stream(
            self.captured.model,
            f"the values of {call.name} are not what one linear layer makes of its input",
        )

    def _before(self, call: Call, given: Tensor) -> FrozenNorm | None:
        """Return the norm that made what values are read off; None where that is the stream itself.

        Raises:
            ModelRefusedError: it is something else.
        """
        for maker in reversed(makers_of(given)):
            norm = None if maker.part is self.start else norm_of(maker)
            if norm is not None and maker.source is not None and is_stream(maker.source):
                return norm
        if is_stream(given):
            return None
        raise no_stream(
            self.captured.model, f"the values of {call.name} are read off no norm of its stream"
        )

    def _behind(self, call: Call, part: nn.Module) -> FrozenNorm | None:
        """Return the norm between an output projection and the stream; None where there is none.

        Raises:
            ModelRefusedError: something else stands there.
        """
        for term in self.terms.get(call.name, ()):
            if any(maker.part is part for maker in term.makers):
                return None
            for maker in reversed(term.makers):
                norm = norm_of(maker)
                source = () if maker.source is None else makers_of(maker.source)
                if norm is not None and any(one.part is part for one in source):
                    return norm
        raise no_stream(
            self.captured.model, f"what {call.name} writes is not added to its stream as it is"
        )


@torch.no_grad()
def find_head_maps(
    captured: CapturedPass, seen: StreamPass, stack: str, hear: Callable[[int, HeadMaps], None]
) -> None:
    """Run a model once more, and find how each layer's heads read the stream and write to it.

    Args:
        captured: the pass.
        seen: the same, whose stream was watched.
        stack: whose layers.
        hear: is handed each layer and its maps, which are let go of after it; may raise to cancel.

    Raises:
        CaptureError: a layer makes no call with its heads apart.
        ModelRefusedError: a layer reads or writes the stream in another way than by a linear map and a norm.
        VerificationError: the pass returns something else than the capture.

    Cost: a pass, each layer's output projection and value layer of unit vectors; memory for those of one.
    """
    model, trace = captured.model, captured.trace
    calls = {call: layer for (name, layer), call in calls_of(trace).items() if name == stack}
    terms = {
        call.name: [one for one in seen.terms(model) if owner_of(line_of(one.makers), [call.name])]
        for call in calls
    }
    told: set[int] = set()

    def note(layer: int, maps: HeadMaps) -> None:
        told.add(layer)
        hear(layer, maps)

    first = embedding_norm(model, seen)
    watch = ProjectionWatch(CallNames(model.module))
    finder = MapFinder(captured, calls, terms, note, watch, None if first is None else first.part)
    tracer = StreamTracer(captured.prepared.item, -1, len(captured.output))
    with (
        as_captured(captured),
        observe(finder.see_call),
        traced(model.module, tracer),
        LinearCalls(finder.see_product),
        _heard(model.module, finder),
    ):
        result = model.module(**copies(captured.prepared.inputs))
    require_same(captured.own(result), trace, "when its linear parts are watched")
    if told != set(calls.values()):
        raise no_stream(
            model, "what its heads put out is not handed straight to a linear projection"
        )


def is_stream(states: Tensor) -> bool:
    """Whether states are a sum, or what an embedding put out."""
    line = line_of(makers_of(states))
    return bool(terms_of(states)) or any(isinstance(one.part, nn.Embedding) for one in line)


def embedding_norm(model: Model, seen: StreamPass) -> Maker | None:
    """Return the norm through which embeddings begin the stream; None where there is none, as in most models."""
    table = table_of_ids(model.module)
    for term in seen.terms(model):
        if any(one.part is table for one in line_of(term.makers)):
            return next((one for one in term.makers if norm_of(one) is not None), None)
    return None


def norm_of(maker: Maker) -> FrozenNorm | None:
    """Hold a part at what it did to the last position; None where it is no norm."""
    if maker.source is None or maker.source.ndim != 3:
        return None
    return frozen_norm(maker.part, maker.source[0, -1], maker.result[0, -1])


@contextmanager
def _heard(module: nn.Module, finder: MapFinder) -> Iterator[None]:
    """Let a finder see what each part is handed and returns."""
    handles = [part.register_forward_pre_hook(finder.before_part) for part in module.modules()]
    handles += [part.register_forward_hook(finder.see_part) for part in module.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
