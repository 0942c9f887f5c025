"""One forward pass, observed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from viz.capture.batch_item import (
    item_alone,
    output_of_item,
    require_no_order,
    require_same_alone,
    stays_in_place,
    turned_round,
)
from viz.capture.layers.recorded_layer import Layer
from viz.capture.observed_pass import Progress, Shown, Telling
from viz.capture.proven_pass import not_finite, run_alone, show_proven
from viz.capture.stack_building import main_stack, stacks_of
from viz.capture.trace import ModelCard, Trace
from viz.errors import BudgetError, CaptureError, LoupeError, ModelRefusedError, VerificationError
from viz.inputs.media import ImageSource, SoundSource
from viz.inputs.modalities import prepare_any, refuse_alone, senses_in
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.argument_checks import require_model
from viz.models.context_length import forget_longer_texts
from viz.models.forward_errors import ran_out_of_memory
from viz.models.model import Plan
from viz.models.model_outputs import first_output

# What a forward raises that lacks an input: it fails on None, or finds no entry.
LACKING = (TypeError, AttributeError, ValueError, LookupError, AssertionError)


def capture(
    model: Model,
    inputs: str | Mapping[str, Any] | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
    image: ImageSource | None = None,
    sound: SoundSource | None = None,
    item: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run a model once on its fast kernel and keep its queries and keys.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`.
        inputs: a text, or the model's own inputs (`input_ids`, `pixel_values`, ...); None where an
            image or a sound is all that the model reads.
        pair: a second text, for models that read sentence pairs.
        target: what an encoder-decoder writes; its first token alone by default.
        image: a file, a Pillow image or an array, for models that see.
        sound: a file, or samples and their rate, for models that hear.
        item: which input of a batch to keep; needed where the batch has several.
        progress: called with a phase and the share of it that is done; may raise to cancel.

    Returns:
        The trace of one input; layers of a stack are in the order in which the model called them.

    Raises:
        InputError: the text or the inputs cannot be run.
        VerificationError: recorded weights do not reproduce the layer's output, or what was run to
            record them does not return what the model alone returns.
        CaptureError: the model's forward failed, or it is in training mode.
        BudgetError: memory ran out.
        ModelRefusedError: no tier shows the model's attention, or it was not loaded.

    Cost: the plain forward pass, and memory for queries and keys, layer * token * width. One more pass
    where the model computes with its own eager attention, or where weights are read off its parts; more
    in the first capture of a model, and where an input takes another path than the one before.
    """
    require_model(model)
    Telling(progress)("tokenise", 0.0)
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=image, sound=sound, item=item
    )
    return capture_prepared(model, prepared, progress)


def capture_prepared(model: Model, prepared: Prepared, progress: Progress | None = None) -> Trace:
    """Run a model once on inputs that are prepared already; see `capture`."""
    return capture_with_plan(model, prepared, progress)[0]


def capture_with_plan(
    model: Model, prepared: Prepared, progress: Progress | None = None
) -> tuple[Trace, Plan]:
    """Capture, and say how attention was shown, for passes beside this one."""
    tell = Telling(progress)
    tell("forward", 0.0)
    shown, taken = _forward(model, prepared, tell)
    output = first_output(shown.result)
    if taken.rows == 1:
        output = output_of_item(output, item=taken.item, batch=taken.batch, axis=taken.axis)
    if not is_finite(output[None]):
        raise not_finite(model.name)
    tell("forward", 1.0)
    return trace_of(model, prepared, shown.layers, output.detach(), shown.unshown), shown.plan


def trace_of(
    model: Model,
    prepared: Prepared,
    layers: Sequence[Layer],
    output: Tensor | None,
    unshown: tuple[str, ...] = (),
) -> Trace:
    """Put the layers of one input together with what its units are called."""
    stacks = stacks_of(layers, prepared.known, prepared.unnamed)
    first = main_stack(stacks)
    return Trace(
        model=card_of(model),
        text=prepared.text,
        pair=prepared.pair,
        units=prepared.units if prepared.units.kind == "token" else first.queries,
        stacks=stacks,
        output=output,
        unshown=unshown,
    )


def _forward(model: Model, prepared: Prepared, tell: Telling) -> tuple[Shown, Prepared]:
    """Run the model in a way that shows its attention, and say what of the batch it was run on."""
    inputs = dict(prepared.inputs)
    if model.module.training:
        raise CaptureError(
            f"{model.name} is in training mode, so chance takes part in what it computes.",
            "Call model.module.eval() before the capture.",
        )
    # One pass at a time, because rotary embeddings that grow with the text live on the module.
    with model.lock:
        try:
            forget_longer_texts(model.module)
            shown = None
            if prepared.batch > 1 and stays_in_place(model.module, inputs):
                with contextlib.suppress(VerificationError, ModelRefusedError):
                    shown = show_proven(model, prepared, inputs, tell)
            if shown is None and prepared.batch == 1:
                shown = show_proven(model, prepared, inputs, tell)
            elif shown is None or not shown.is_plain:
                shown, prepared = _run_alone(model, prepared, tell)
        except LoupeError:
            raise
        except Exception as error:
            tell.reraise()
            if ran_out_of_memory(error):
                raise BudgetError(
                    f"{model.name} ran out of memory during its forward pass.",
                    "Shorten the text, or choose a smaller model.",
                ) from error
            # A kernel's own error, say, has another cause.
            lacking = refuse_alone(model, senses_in(inputs)) if isinstance(error, LACKING) else None
            raise lacking or CaptureError(
                f"{model.name} failed during its forward pass: {in_words(error)}",
                "Check that the inputs are what this model expects.",
            ) from error
    model.plan, model.tier, model.layers = shown.plan, shown.tier, len(shown.layers)
    model.heads = max(layer.heads for layer in shown.layers)
    model.read, model.written, model.unshown = shown.read, shown.written, shown.unshown
    return shown, prepared


def _run_alone(model: Model, prepared: Prepared, tell: Telling) -> tuple[Shown, Prepared]:
    """Run one input of a batch by itself, where only the model knows which rows are whose.

    It has to compute what it did in the batch. Where it is not sure along which axis a batch is counted,
    that is also what tells.

    Raises:
        VerificationError: it computes something else, because inputs look at one another.
    """
    whole = first_output(run_alone(model.module, prepared.inputs))
    ways = [(prepared.axis, prepared.batch), *filter(None, (prepared.other_axis,))]
    failure: VerificationError | None = None
    for axis, batch in ways:
        if prepared.item >= batch:
            continue
        inputs = item_alone(
            model.module, prepared.inputs, item=prepared.item, batch=batch, axis=axis
        )
        one = replace(prepared, item=0, batch=1, axis=axis, inputs=inputs)
        try:
            if batch > 1 and not isinstance(model.module, PreTrainedModel):
                turned = turned_round(prepared.inputs, batch=batch, axis=axis)
                require_no_order(
                    *(whole, first_output(run_alone(model.module, turned))),
                    batch=batch,
                    axis=axis,
                    name=model.name,
                )
            shown = show_proven(model, one, inputs, tell)
            require_same_alone(
                *(whole, first_output(shown.result)),
                item=prepared.item,
                batch=batch,
                axis=axis,
                name=model.name,
            )
            if axis != prepared.axis and not shown.is_plain:
                continue  # its parts count inputs along another axis
        except VerificationError as error:
            failure = failure or error
            continue
        return shown, one
    raise failure or CaptureError(
        f"Item {prepared.item} of the batch cannot be run alone.", "Capture it as a batch of one."
    )


def in_words(error: Exception) -> str:
    """Say what a model raised; the kind of error too where its words alone say little."""
    if isinstance(error, (RuntimeError, ValueError)) and str(error):
        return str(error)
    return ": ".join(filter(None, (type(error).__name__, str(error))))


def is_finite(output: Tensor) -> bool:
    """Whether every position's output is made of numbers.

    A NaN in a hidden state reaches every logit of its position, so that two logits of each stand
    for a vocabulary whose reading would cost as much as a layer.
    """
    ends = output if output.ndim < 3 else output[:, [0, -1]]
    return bool(torch.isfinite(ends).all())


def card_of(model: Model) -> ModelCard:
    """Return what a trace remembers of a model."""
    return ModelCard(
        name=model.name,
        revision=model.revision,
        kind=model.kind,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        fingerprint=model.fingerprint,
        layers=model.layers,
        heads=model.heads,
    )
