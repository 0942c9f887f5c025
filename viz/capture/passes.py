"""One pass of a model by its tier: what it calls is watched, or what it returns is taken."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from viz.capture.eager import read_layer, refuse_unproven, reported_layers
from viz.capture.layer import Layer
from viz.capture.recorder import Recorder
from viz.errors import CaptureError
from viz.models import Model
from viz.models.attention import observe
from viz.models.hidden import hidden_parts
from viz.models.prepared import Prepared
from viz.models.returned import Returned, likely, returned_weights
from viz.models.running import RUN_ERRORS, copies, with_attentions
from viz.models.softmaxes import STREAM, Softmaxes
from viz.models.values import Reading, ValuePart, ValueReader
from viz.models.watch import watch

Progress = Callable[[str, float], None]


class Telling:
    """Tells of progress, and remembers what the user's callback raised: it is no fault of a model's."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.raised: BaseException | None = None

    def __call__(self, phase: str, share: float) -> None:
        """Call back, if anyone wants to be called."""
        if self._progress is None:
            return
        try:
            self._progress(phase, share)
        except BaseException as error:
            self.raised = error
            raise

    def reraise(self) -> None:
        """Raise again what the callback raised, if it did."""
        if self.raised is not None:
            raise self.raised


def run_watched(
    model: Model, prepared: Prepared, inputs: dict[str, Any], tell: Progress
) -> tuple[list[Layer], Any]:
    """Record every call of attention; read off their values the parts that make none."""

    def on_layer(done: int) -> None:
        tell("forward", min(1.0, done / max(1, model.layers)))

    recorder = Recorder(model.module, prepared.item, model.layers, on_layer, prepared.batch)
    # Watching every function costs a little; where all goes through the registry it is not needed.
    watching = observe(recorder) if model.tier == "registry" else watch(model.module, recorder)
    parts = [part for part in hidden_parts(model.module, set()) if part.name in model.read]
    reading = _reader(model, prepared, parts, recorder.add)
    by_hand = Softmaxes(model.module) if model.written else None
    with torch.inference_mode(), watching, reading, by_hand or nullcontext():
        result = model.module(**copies(inputs))
    if by_hand is not None:
        found = [pair for pair in likely(by_hand) if pair[0] in model.written]
        for layer in _reported(model, prepared, found, by_hand.errors):
            recorder.add(layer)
    if not recorder.layers:
        raise CaptureError(
            f"{model.name} made no attention call that could be recorded.",
            "Choose a model with softmax attention.",
        )
    return list(recorder.layers), result


def run_eagerly(
    model: Model, prepared: Prepared, inputs: dict[str, Any], tell: Progress
) -> tuple[list[Layer], Any]:
    """Take the weights that a model makes itself; read off it what it does not return."""
    everyone = {part.name: part for part in hidden_parts(model.module, set())}
    needed = set(model.read)
    layers, returned, result = _eager_pass(
        model, prepared, inputs, [everyone[name] for name in needed], needed
    )
    shown = {name for name, _ in returned.proven} | {layer.name for layer in layers}
    needed |= returned.unproven & set(everyone)
    wanted = set(needed)
    if len(shown) + len(returned.apart_from(shown)) < model.layers:
        # A longer text may take another path than the probe's did.
        wanted |= {part.name for part in hidden_parts(model.module, shown)}
    if wanted > set(model.read):
        # Once more as a whole, lest layers of two passes stand beside each other.
        layers, returned, result = _eager_pass(
            model, prepared, inputs, [everyone[name] for name in sorted(wanted)], needed
        )
    proven = [pair for pair in returned.proven if pair[0] not in needed]
    layers += _reported(model, prepared, proven, returned.errors)
    others = returned.apart_from({layer.name for layer in layers})
    layers += _reported(model, prepared, others, returned.errors)
    places = {name: place for place, (name, _) in enumerate(model.module.named_modules())}
    layers.sort(key=lambda layer: places[layer.name.partition(STREAM)[0]])
    unread = returned.unproven - {layer.name for layer in layers}
    if unread:
        raise refuse_unproven(min(unread), model.name)
    if not layers:
        raise CaptureError(
            f"{model.name} reports no attention weights.", "Choose a model with softmax attention."
        )
    return layers, result


def _reported(
    model: Model,
    prepared: Prepared,
    found: list[tuple[str, Tensor]],
    errors: Mapping[int, float | None],
) -> list[Layer]:
    """Take the item's weights out of the batch's."""
    return list(
        reported_layers(
            found, errors=errors, item=prepared.item, batch=prepared.batch, model=model.name
        )
    )


def _eager_pass(
    model: Model,
    prepared: Prepared,
    inputs: dict[str, Any],
    parts: list[ValuePart],
    needed: Container[str],
) -> tuple[list[Layer], Returned, Any]:
    """Run once, asking for weights, and read parts; return what was read, what came back, and all."""
    layers: list[Layer] = []
    reader = _reader(model, prepared, parts, layers.append, needed)
    asked = with_attentions(model.module, inputs)
    with torch.inference_mode(), returned_weights(model.module) as returned, reader:
        try:
            result = model.module(**copies(asked))
        except RUN_ERRORS:
            layers.clear()
            result = model.module(**copies(inputs))  # some models fail on being asked
    return layers, returned, result


def _reader(
    model: Model,
    prepared: Prepared,
    parts: list[ValuePart],
    add: Callable[[Layer], None],
    needed: Container[str] | None = None,
) -> ValueReader:
    """Read parts during a pass; one that is needed and cannot be read is refused."""

    def on_reading(name: str, reading: Reading | None) -> None:
        if reading is not None:
            add(read_layer(reading, prepared.known))
        elif needed is None or name in needed:
            raise refuse_unproven(name, model.name)

    return ValueReader(model.module, parts, on_reading, item=prepared.item, batch=prepared.batch)
