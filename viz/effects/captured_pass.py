"""One pass of a model and the prediction in it that is to be explained: what every method begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from viz.capture.batch_item import output_of_item
from viz.capture.capture import capture_prepared, capture_with_plan
from viz.capture.trace import Trace
from viz.effects.target import Objective, Target, objective
from viz.errors import CaptureError, InputError
from viz.inputs.modalities import prepare_any
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.argument_checks import require_model
from viz.models.model import Plan
from viz.models.model_outputs import first_output
from viz.models.spread_model import is_offloaded


@dataclass(frozen=True, slots=True)
class CapturedPass:
    """A capture, with what it was made of.

    Attributes:
        model: that ran.
        prepared: its inputs.
        trace: of the pass, with its output.
        objective: the prediction.
        plan: how attention was shown; passes beside this one set it the same way, whatever the model has captured since.
        known: what was found out about the pass besides, by name.
    """

    model: Model
    prepared: Prepared
    trace: Trace
    objective: Objective
    plan: Plan
    known: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def output(self) -> Tensor:
        """What the pass returned, [position, vocabulary]."""
        assert self.trace.output is not None
        return self.trace.output

    def own(self, result: Any) -> Tensor:
        """Take what another pass of the same inputs predicted for this one, as `output` is laid out."""
        of = self.prepared
        return output_of_item(first_output(result), item=of.item, batch=of.batch, axis=of.axis)

    @property
    def value(self) -> float:
        """Of the prediction."""
        return float(self.objective.of(self.output))


def captured_pass(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
    item: int | None = None,
    alone: bool = True,
) -> CapturedPass:
    """Capture an input, and find the prediction in it.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`.
        inputs: a text, or the model's own inputs.
        explained: the prediction; by default the last position's first token against its runner-up.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        item: which input of a batch.
        alone: whether there may be one input only.

    Raises:
        InputError, ShapeError: the target is none of this model's, or there are several inputs.
    """
    require_model(model)
    if isinstance(target, Target):
        raise InputError(
            "What is to be explained was given as target, which is the text that an encoder-decoder writes.",
            "Give it as the third argument, or as explained.",
        )
    if explained is not None and not isinstance(explained, Target):
        raise InputError(
            f"What is to be explained is {explained!r:.60}.",
            'Give a Target, such as viz.Target(token=" Paris").',
        )
    if not isinstance(inputs, str) and (pair is not None or target is not None):
        raise InputError(
            "A second text was given beside the model's own inputs, which already hold all that it reads.",
            "Put its ids among the inputs, or give both texts.",
        )
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=None, sound=None, item=item
    )
    if alone and prepared.batch > 1:
        raise InputError(
            f"There are {prepared.batch} inputs in the batch.",
            "Give the one that is to be explained.",
        )
    return captured_of(model, prepared, explained)


def captured_of(
    model: Model,
    prepared: Prepared,
    explained: Target | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> CapturedPass:
    """Capture what is prepared already; errors as in `captured_pass`.

    Args:
        model: that it was prepared for.
        prepared: its inputs.
        explained: the prediction.
        progress: called with a phase and the share done; may raise to cancel.
    """
    if is_offloaded(model.module):
        raise CaptureError(
            f"Parts of {model.name} lie in memory or on disk and are brought to {model.device} for each pass, so that "
            "what a prediction rests on cannot be followed back through them.",
            "Load it where devices hold all of it, or choose a smaller model or dtype.",
        )
    trace, plan = capture_with_plan(model, prepared, progress)
    found = _objective(model, prepared, trace, explained)
    return CapturedPass(model, prepared, trace, found, plan)


def with_target(captured: CapturedPass, explained: Target) -> CapturedPass:
    """Find another prediction in the same pass; errors as in `captured_pass`."""
    found = _objective(captured.model, captured.prepared, captured.trace, explained)
    return replace(captured, objective=found)


def _objective(
    model: Model, prepared: Prepared, trace: Trace, explained: Target | None
) -> Objective:
    """Find a prediction in a pass."""

    def output_of(text: str) -> Tensor:
        other = prepare_any(model, text, pair=None, target=None, image=None, sound=None, item=None)
        output = capture_prepared(model, other).output
        assert output is not None
        return output

    padding = prepared.inputs.get("attention_mask")
    own = padding[prepared.item] if isinstance(padding, Tensor) and padding.ndim == 2 else None
    return objective(explained or Target(), trace, model, output_of=output_of, padding=own)
