"""MLPs of models that norm the stream itself, as BERT, BART and the first transformers do.

A layer of theirs is x = norm(x + attention(x)), then x = norm(x + mlp(x)): there is no stream from the embedding to the
logits, and yet it is plain what a part adds before each norm. It is found in a pass, whatever parts are called, and
proven: it has to be all that the norm was handed, beside the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from viz.effects.attention_calls import Call, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.frozen_norm import frozen_norm
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.residual_stream import (
    Maker,
    StreamTracer,
    Term,
    line_of,
    nearest,
    terms_of,
    traced,
)
from viz.effects.stream_pass import allowed_apart
from viz.inputs.input_copies import copies

# Stack and layer.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class MlpState:
    """A part that adds to the stream what no head does.

    Attributes:
        call: of the part.
        output: what it puts out at every position, in the model's dtype [query, d_model].
    """

    call: Call
    output: Tensor


@dataclass(frozen=True, slots=True)
class NormedSum:
    """A sum that parts were handed.

    Attributes:
        whole: the sum, [batch, query, d_model].
        parts: that were handed it and have no parts themselves, with what they made of it at one position, [d_model].
    """

    whole: Tensor
    parts: list[tuple[nn.Module, Tensor, Tensor]] = field(default_factory=list)

    @property
    def is_normed(self) -> bool:
        """Whether one of the parts is a norm."""
        return any(frozen_norm(*one) is not None for one in self.parts)


@torch.no_grad()
def post_norm_mlps(captured: CapturedPass) -> dict[Place, list[MlpState]]:
    """Find the parts of each layer that are added to the stream before it is normed, and are not attention.

    Returns:
        By stack and layer, of the encoder and the decoder where there are both. Nothing of a stack in which it is not proven
        of each layer that what a part puts out, added to the stream, is what the next norm was handed.

    Raises:
        CaptureError, VerificationError: as of every watched pass.

    Cost: a pass for each length of text; memory for states of all layers.
    """
    found: dict[Place, list[MlpState]] = {}
    trace = captured.trace
    for length in sorted({len(stack.queries) for stack in trace.stacks.values()}):
        calls = {
            call: key
            for key, call in calls_of(trace).items()
            if len(trace.stacks[key[0]].queries) == length
        }
        found |= _Layers(captured, calls, _sums(captured, length)).mlps()
    return found


def _sums(captured: CapturedPass, length: int) -> dict[int, NormedSum]:
    """Run a model once more, and keep the sums of states of so many positions that are handed on, in their order, by id."""
    model, prepared = captured.model, captured.prepared
    found: dict[int, NormedSum] = {}

    def note(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        given = args[0] if args else None
        if not isinstance(given, Tensor) or not terms_of(given) or not isinstance(output, Tensor):
            return
        one = found.setdefault(id(given), NormedSum(given))
        if output.shape == given.shape:
            at = (prepared.item if len(given) > 1 else 0, 0)
            one.parts.append((part, given[at].clone(), output[at].clone()))

    tracer = StreamTracer(prepared.item, 0, length)
    with as_captured(captured), traced(model.module, tracer):
        handles = [
            part.register_forward_hook(note)
            for part in model.module.modules()
            if not any(part.children())
        ]
        try:
            result = model.module(**copies(prepared.inputs))
        finally:
            for handle in handles:
                handle.remove()
    require_same(captured.own(result), captured.trace, "when its residual stream is watched")
    return found


@dataclass(slots=True)
class _Layers:
    """Goes through the sums of a pass, and says which layer each is of.

    Attributes:
        captured: the pass.
        calls: its attention calls, each with stack and layer.
        sums: in the order of the pass, by id.
        places: the layer of each sum, by id; None where it is of none.
    """

    captured: CapturedPass
    calls: Mapping[Call, Place]
    sums: Mapping[int, NormedSum]
    places: dict[int, Place | None] = field(default_factory=dict)

    def mlps(self) -> dict[Place, list[MlpState]]:
        """Find the MLPs of all stacks of which they are proven."""
        found: dict[Place, list[MlpState]] = {}
        unproven: set[str] = set()
        attended: set[Place] = set()
        for number, one in self.sums.items():
            terms = terms_of(one.whole)
            before = [self._before(term) for term in terms]
            streams = [source for source in before if source is not None]
            layer = self.places.get(streams[0]) if len(streams) == 1 else None
            here = [
                key
                for term, source in zip(terms, before, strict=True)
                if source is None and (key := _attention_of(term, self.calls)) is not None
            ]
            attended.update(here)
            own = [key for key in here if "cross" not in key[0]]
            if own:
                stack, at = self.places[number] = own[0]
                # What the layer before ends with has to be what this one begins with.
                if len(own) > 1 or (at and layer != (stack, at - 1)):
                    unproven.update(name for name, _ in own)
                continue
            self.places[number] = layer
            if here or layer is None:
                continue
            parts = [term for term, source in zip(terms, before, strict=True) if source is None]
            if self._is_proven(one, terms, parts, layer):
                found.setdefault(layer, []).extend(map(self._state, parts))
            else:
                unproven.add(layer[0])
        if attended != set(self.calls.values()):
            # What was taken for an MLP may be attention of which it is not known.
            return {}
        return {key: states for key, states in found.items() if key[0] not in unproven}

    def _before(self, term: Term) -> int | None:
        """Name the sum that a term is the norm of; None where it is none."""
        for maker in term.makers:
            one = None if maker.source is None else self.sums.get(id(maker.source))
            if one is not None and not any(maker.part.children()) and one.is_normed:
                return id(one.whole)
        return None

    def _is_proven(
        self, one: NormedSum, terms: tuple[Term, ...], parts: list[Term], layer: Place
    ) -> bool:
        """Whether a norm was handed the stream and what these parts put out, and they are of the layer by their names."""
        if not one.is_normed or not all(term.makers for term in terms) or not parts:
            return False
        left = one.whole.float()
        for term in terms:
            result = term.makers[-1].result
            if result.shape != left.shape:
                return False
            left = left - result.float()
        size = torch.linalg.vector_norm(one.whole.float())
        if not torch.linalg.vector_norm(left) <= allowed_apart(one.whole) * size:
            return False
        names = [call.name for call, (stack, _) in self.calls.items() if stack == layer[0]]
        mine = next(call.name for call, key in self.calls.items() if key == layer)
        return all(mine in nearest(names, term.makers[-1].name) for term in parts)

    def _state(self, term: Term) -> MlpState:
        maker: Maker = term.makers[-1]
        item = self.captured.prepared.item if len(maker.result) > 1 else 0
        return MlpState(Call(maker.name, maker.turn), maker.result[item].clone())


def _attention_of(term: Term, calls: Mapping[Call, Place]) -> Place | None:
    """Say which attention call a term is what became of; None where it is none."""
    pairs = [
        (maker.name, call.name, place)
        for maker in line_of(term.makers)
        for call, place in calls.items()
        if maker.turn == call.turn
    ]
    within = [place for name, call, place in pairs if f"{name}.".startswith(f"{call}.")]
    around = {place for name, call, place in pairs if call.startswith(f"{name}.")}
    return within[0] if within else around.pop() if len(around) == 1 else None
