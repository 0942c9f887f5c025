"""One forward pass, observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from viz.capture.arranged import arrange
from viz.capture.batch import batch_axis, item_alone, require_same_alone, stays_in_place
from viz.capture.layer import Layer
from viz.capture.passes import Progress, Telling, run_eagerly, run_watched
from viz.capture.raster import PIXELS, with_true_places
from viz.capture.stack import Stacks
from viz.capture.stacks import main_stack, stacks_of
from viz.capture.trace import ModelCard, Trace
from viz.capture.windows import ReportedWindows, WindowedLayer
from viz.errors import CaptureError, LoupeError
from viz.models import Model
from viz.models.arguments import require_model
from viz.models.context import forget_longer_texts
from viz.models.media import ImageSource, SoundSource
from viz.models.outputs import first_output
from viz.models.prepared import Prepared
from viz.models.preserve import preserved
from viz.models.probe import probe
from viz.models.refusal import refuse_attention
from viz.models.running import copies
from viz.models.senses import prepare_any, refuse_alone, senses_in
from viz.models.signature import forward_parameters

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
        VerificationError: recorded weights do not reproduce the model's own output.
        CaptureError: the model's forward failed, or it is in training mode.
        ModelRefusedError: no tier shows the model's attention, or it was not loaded.

    Cost: the plain forward pass, and memory for queries and keys, layer * token * width. The first
    capture of a model that was not probed when it was loaded runs twice more, once eagerly.
    """
    require_model(model)
    Telling(progress)("tokenise", 0.0)
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=image, sound=sound, item=item
    )
    return capture_prepared(model, prepared, progress)


def capture_prepared(model: Model, prepared: Prepared, progress: Progress | None = None) -> Trace:
    """Run a model once on inputs that are prepared already; see `capture`."""
    tell = Telling(progress)
    tell("forward", 0.0)
    layers, result = _forward(model, prepared, tell)
    output = first_output(result)
    if not _is_finite(output[min(prepared.item, len(output) - 1)][None]):
        raise CaptureError(
            f"The output of {model.name} is not finite (NaN or infinity), so its attention means nothing.",
            "Check the model's weights, or choose dtype float32.",
        )
    tell("forward", 1.0)
    stacks = stacks_of(layers, prepared.known, prepared.unnamed)
    if PIXELS in prepared.inputs:

        def again(inputs: dict[str, Any]) -> Stacks:
            whole = Telling(lambda *_: tell("forward", 1))
            others, _ = _forward(model, replace(prepared, inputs=inputs), whole)
            return stacks_of(others, prepared.known, prepared.unnamed)

        stacks = with_true_places(stacks, prepared.inputs, model.patches_in_place, again)
    shown = main_stack(stacks)
    return Trace(
        model=card_of(model),
        text=prepared.text,
        pair=prepared.pair,
        units=prepared.units if prepared.units.kind == "token" else shown.queries,
        stacks=stacks,
        output=output[min(prepared.item, len(output) - 1)].detach(),
        unshown=model.unshown,
    )


def _forward(model: Model, prepared: Prepared, tell: Telling) -> tuple[list[Layer], Any]:
    """Run the model by its tier and return its layers and its result for the whole batch."""
    inputs = dict(prepared.inputs)
    # A cache would keep keys and values of every layer once more, and only a prompt needs one; what is
    # run again would append to it. Others are left alone: FSMT masks the future only without one.
    if (model.kind == "causal" or model.read) and "use_cache" in forward_parameters(model.module):
        inputs["use_cache"] = False
    if model.module.training:
        raise CaptureError(
            f"{model.name} is in training mode, so chance takes part in what it computes.",
            "Call model.module.eval() before the capture.",
        )
    # One pass at a time, because rotary embeddings that grow with the text live on the module.
    with model.lock:
        try:
            _decide_tier(model, inputs)
            forget_longer_texts(model.module)
            with preserved(model.module):
                run = run_eagerly if model.tier == "eager" else run_watched
                plain = model.tier != "eager" and not (model.read or model.written)
                plain = plain and stays_in_place(model.module, inputs)
                layers: list[Layer] = []
                if plain or prepared.batch == 1:
                    layers, result = run(model, prepared, inputs, tell)
                if prepared.batch > 1 and (not plain or _has_windows(layers)):
                    # Outside the registry only the model knows which rows are whose, so that the
                    # item is run by itself, and has to compute what it did in the batch.
                    alone = item_alone(model.module, inputs, prepared.item, prepared.batch)
                    with torch.inference_mode():
                        whole = first_output(model.module(**copies(inputs)))
                    one = replace(prepared, item=0, batch=1)
                    layers, result = run(model, one, alone, tell)
                    require_same_alone(
                        *(whole, first_output(result)),
                        item=prepared.item,
                        batch=prepared.batch,
                        axis=batch_axis(model.module),
                        name=model.name,
                    )
                    inputs, prepared = alone, one
                arranged = arrange(layers, model.module, inputs, prepared.batch)
            return arranged, result
        except LoupeError:
            raise
        except Exception as error:
            tell.reraise()
            # A kernel's own error, say, has another cause.
            lacking = refuse_alone(model, senses_in(inputs)) if isinstance(error, LACKING) else None
            raise lacking or CaptureError(
                f"{model.name} failed during its forward pass: {in_words(error)}",
                "Check that the inputs are what this model expects.",
            ) from error


def in_words(error: Exception) -> str:
    """Say what a model raised; the kind of error too where its words alone say little."""
    if isinstance(error, (RuntimeError, ValueError)) and str(error):
        return str(error)
    return ": ".join(filter(None, (type(error).__name__, str(error))))


def _has_windows(layers: list[Layer]) -> bool:
    return any(isinstance(layer, (WindowedLayer, ReportedWindows)) for layer in layers)


def _decide_tier(model: Model, inputs: dict[str, Any]) -> None:
    """Probe a model that could not be probed when it was loaded, with the first inputs it gets."""
    if model.tier is not None:
        return
    probed = probe(model.module, inputs)
    if probed is None:
        # What fails here is the inputs' fault, and is said as such.
        with torch.random.fork_rng(), torch.inference_mode():
            model.module(**copies(inputs))
        raise refuse_attention(model.module, inputs, model.name)
    model.tier, model.layers, model.heads = probed.tier, probed.layers, probed.heads
    model.read, model.written, model.unshown = probed.read, probed.written, probed.unshown


def _is_finite(output: Tensor) -> bool:
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
