"""One pass of a model, with everything that shows its attention taken down as layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.recorder import Recorder
from viz.capture.replay.module_runs import with_attentions
from viz.capture.tiers.eager import is_related, returned_weights
from viz.capture.tiers.observation import Observation
from viz.capture.tiers.sample_probe import replace_plan, tier_of
from viz.capture.tiers.softmax_calls import STREAM
from viz.capture.tiers.value_probe import Reading
from viz.capture.unregistered_layers import read_layer, refuse_unproven, reported_layers
from viz.inputs.input_copies import copies
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.model import Plan, Tier

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


@dataclass(frozen=True, slots=True)
class Shown:
    """What one pass showed.

    Attributes:
        plan: in which way.
        tier: the costliest of its layers.
        layers: in the order in which the model called them.
        result: what the model returned.
        read: parts whose weights were read off them.
        written: parts that made their weights themselves.
        unread: parts that project values and did not show.
        undecided: those of them of which this was not known of such inputs.
        unshown: all parts that mix tokens and did not show.
    """

    plan: Plan
    tier: Tier
    layers: Sequence[Layer]
    result: Any
    read: tuple[str, ...]
    written: tuple[str, ...]
    unread: tuple[str, ...]
    undecided: tuple[str, ...]
    unshown: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Whether every layer tells which item of a batch is whose, and the pass ran nothing twice."""
        inner = (getattr(layer, "inner", layer) for layer in self.layers)
        windows = any(isinstance(layer, (WindowedLayer, ReportedWindows)) for layer in inner)
        return not (windows or self.read or self.written)


def run_observed(
    model: Model,
    prepared: Prepared,
    inputs: dict[str, Any],
    plan: Plan,
    tell: Progress,
    hopeless: Collection[str] = (),
) -> Shown:
    """Run a model once by a plan, its attention set as the plan wants it.

    Parts that are hopeless are not read off once more; see `Observation`.

    Raises:
        VerificationError: a layer's weights do not reproduce what it computed.
    """

    def on_layer(done: int) -> None:
        tell("forward", min(1.0, done / max(1, model.layers)))

    recorder = Recorder(model.module, prepared.item, model.layers, on_layer, prepared.batch)

    def on_reading(reading: Reading) -> None:
        recorder.add(read_layer(reading, prepared.known))

    known = (plan.way, plan.asked, _shapes(inputs))
    before = model.unreadable.get(known, ())
    observation = Observation(
        model.module,
        recorder,
        on_reading,
        plan=plan,
        item=prepared.item,
        batch=prepared.batch,
        passed_over=before,
        hopeless=hopeless,
    )
    returning = returned_weights(model.module) if plan.asked else nullcontext()
    asked = with_attentions(model.module, inputs) if plan.asked else inputs
    with torch.inference_mode(), returning as returned, observation:
        result = model.module(**copies(asked))
    unread = tuple(dict.fromkeys(observation.unread))
    model.remember_unreadable(known, unread)
    own = _reported(model, prepared, observation.written, observation.errors)
    if returned is not None:
        found = returned.proven_apart_from(observation.shown)
        own += _reported(model, prepared, found, returned.errors)
        shown = {*observation.shown, *(name for name, _ in found)}
        unproven = {name for name in returned.unproven if not is_related(name, shown)}
        if unproven:
            raise refuse_unproven(min(unproven), model.name)
    twice = observation.shown_twice()
    kept = [
        layer
        for layer in recorder.layers
        if not (isinstance(layer, SparseLayer) and layer.name in twice)
    ]
    written = tuple(dict.fromkeys(layer.name for layer in own))
    return Shown(
        plan=replace_plan(plan, observation),
        tier=tier_of(observation, asked=bool(own)),
        layers=tuple(_in_order(model, kept, own)),
        result=result,
        read=tuple(name for name in observation.read if name not in twice),
        written=written,
        unread=unread,
        undecided=tuple(name for name in unread if name not in before),
        unshown=observation.unshown(also=written),
    )


def _in_order(model: Model, called: list[Layer], own: list[Layer]) -> list[Layer]:
    """Put layers that are known only after a pass among those that were seen in it."""
    if not own:
        return called
    places = {name: place for place, (name, _) in enumerate(model.module.named_modules())}
    # A call that no part is known of stays where it is, behind the one before it.
    last, keyed = -1, []
    for layer in called:
        last = places.get(layer.name.partition(STREAM)[0], last)
        keyed.append((last, layer))
    keyed += [(places[layer.name.partition(STREAM)[0]], layer) for layer in own]
    return [layer for _, layer in sorted(keyed, key=lambda pair: pair[0])]


def _reported(
    model: Model,
    prepared: Prepared,
    found: Collection[tuple[str, Tensor]],
    errors: Mapping[int, float | None],
) -> list[Layer]:
    """Take the item's weights out of the batch's."""
    return list(
        reported_layers(
            list(found),
            errors=errors,
            item=prepared.item,
            batch=prepared.batch,
            model=model.name,
        )
    )


def _shapes(inputs: Mapping[str, Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the shapes of a model's inputs, by which it may choose another path."""
    return tuple(
        (name, tuple(value.shape))
        for name, value in sorted(inputs.items())
        if isinstance(value, Tensor)
    )
