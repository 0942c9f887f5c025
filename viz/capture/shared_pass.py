"""Several texts of one length captured in one forward pass, each layer of each text checked as when it is alone.

Only of models whose attention shows at the registry while they compute as they were given: there a call's first dimension
counts the texts, and nothing is run twice. Whoever asks has captured the model before, and captures the texts one by one
where they cannot share a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from viz.capture.batch_item import require_same_alone, stays_in_place, tells_inputs_apart
from viz.capture.batch_recorder import BatchRecorder
from viz.capture.capture import is_finite, trace_of
from viz.capture.positions.units_in_input_order import arrange
from viz.capture.proven_pass import not_finite
from viz.capture.tiers.observation import Observation
from viz.capture.tiers.value_probe import Reading
from viz.capture.trace import Trace
from viz.errors import CaptureError, LoupeError, VerificationError
from viz.inputs.input_copies import copies
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.context_length import forget_longer_texts
from viz.models.model_outputs import first_output
from viz.models.preserve_state import preserved


def may_share_a_pass(model: Model) -> bool:
    """Whether texts of one length may be run together, as far as the last capture tells."""
    plan = model.plan
    return (
        isinstance(model.module, PreTrainedModel)
        and plan is not None
        and plan.registry
        and plan.as_given
        and not (model.read or model.written or model.unshown)
    )


def capture_together(
    model: Model, texts: Sequence[str], *, last_alone: Trace | None = None
) -> list[Trace]:
    """Run a model once on several texts, and keep the queries and keys of each.

    Args:
        model: that was captured before.
        texts: of as many tokens each.
        last_alone: the last of them captured alone, of which the pass has to compute the same. The last, because what texts
            take from one another, such as room in an expert, is taken from those behind.

    Returns:
        A trace of each text, without its output.

    Raises:
        CaptureError: these texts, or this model's, cannot share a pass.
        VerificationError: a layer's weights do not reproduce its output, another part attends than in the last pass, or
            texts look at one another.
        LoupeError: a text cannot be read.

    Cost: the plain pass over all of them, and the queries and keys of all.
    """
    prepared = [prepare(model, text) for text in texts]
    inputs = _side_by_side([one.inputs for one in prepared])
    if inputs is None or not may_share_a_pass(model) or not stays_in_place(model.module, inputs):
        raise CaptureError(
            f"{model.name} cannot read these {len(texts)} texts in one pass.",
            "Give them one by one.",
        )
    with model.lock:
        try:
            forget_longer_texts(model.module)
            return _captured(model, prepared, inputs, last_alone)
        except LoupeError:
            raise
        except Exception as error:
            raise CaptureError(
                f"{model.name} failed on {len(texts)} texts in one pass: {error}",
                "Give them one by one.",
            ) from error


def _captured(
    model: Model, prepared: Sequence[Prepared], inputs: dict[str, Any], last_alone: Trace | None
) -> list[Trace]:
    count, plan = len(prepared), model.plan
    recorder = BatchRecorder(model.module, count, model.layers)
    observation = Observation(model.module, recorder, _no_reading, plan=plan, batch=count)
    with preserved(model.module):
        with torch.inference_mode(), observation:
            output = first_output(model.module(**copies(inputs)))
        if plan is None or observation.seen != plan.by_kernel:
            raise VerificationError(
                f"Other parts of {model.name} attend in a pass over {count} texts than over one.",
                "Give them one by one.",
            )
        items = recorder.items()
        if len(items[0]) != model.layers:
            raise VerificationError(
                f"{model.name} shows {len(items[0])} layers of {count} texts, and {model.layers} of one.",
                "Give them one by one.",
            )
        layers = [arrange(own, model.module, inputs, count, item) for item, own in enumerate(items)]
    if not is_finite(output):
        raise not_finite(model.name)
    if not tells_inputs_apart(output, count):
        raise CaptureError(
            f"What {model.name} puts out for {count} texts does not tell what it is for each.",
            "Give them one by one.",
        )
    if last_alone is not None and last_alone.output is not None:
        alone = last_alone.output[None]
        require_same_alone(output, alone, item=count - 1, batch=count, axis=0, name=model.name)
    return [trace_of(model, one, own, None) for one, own in zip(prepared, layers, strict=True)]


def _side_by_side(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Tensor] | None:
    """Put inputs of one text each into one batch; None where they are not of one shape."""
    first = inputs[0]
    for one in inputs:
        if one.keys() != first.keys() or any(
            not isinstance(value, Tensor) or value.shape != first[name].shape or len(value) != 1
            for name, value in one.items()
        ):
            return None
    return {name: torch.cat([one[name] for one in inputs]) for name in first}


def _no_reading(_reading: Reading) -> None:
    """Take what is read off parts: of such models nothing is."""
