"""One forward pass, observed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from viz.capture.eager import reported_layers
from viz.capture.layer import Layer
from viz.capture.recorder import Recorder
from viz.capture.stack import Stack
from viz.capture.trace import ModelCard, Trace
from viz.errors import CaptureError, LoupeError, ShapeError
from viz.models import Model
from viz.models.attention import observe
from viz.models.inspection import first_output, forget_longer_texts
from viz.models.prepare import as_tensors, prepare

Progress = Callable[[str, float], None]


def capture(
    model: Model,
    inputs: str | Mapping[str, Any],
    *,
    pair: str | None = None,
    item: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run a model once on its fast kernel and keep its queries and keys.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`.
        inputs: a text, or the model's own inputs (`input_ids`, `attention_mask`, ...).
        pair: a second text, for models that read sentence pairs.
        item: which text of a batch to keep; needed where the batch has several.
        progress: called with a phase and the share of it that is done; may raise to cancel.

    Returns:
        The trace of one text; its layers are in the order in which the model called them.

    Raises:
        InputError: the text or the inputs cannot be run.
        VerificationError: recorded weights do not reproduce the model's own output.
        CaptureError: the model's forward failed, or dropout is on.

    Cost: the plain forward pass, and memory for queries and keys, layer * token * width.
    """
    tell = progress or _silent
    tell("tokenise", 0.0)
    item, one = _one_item(inputs, item)
    prepared = prepare(model, one, pair=pair)
    given = prepared.inputs if isinstance(inputs, str) else _tensors(inputs, model)
    tell("forward", 0.0)
    layers, output = _forward(model, given, item, tell)
    if not _is_finite(output[item]):
        raise CaptureError(
            f"The output of {model.name} is not finite (NaN or infinity), so its attention means nothing.",
            "Check the model's weights, or choose dtype float32.",
        )
    tell("forward", 1.0)
    _refuse_other_shapes(layers, len(prepared.units), model.name)
    stack = Stack("self", tuple(layers), prepared.units, prepared.units)
    return Trace(
        model=_card(model),
        text=prepared.text,
        pair=prepared.pair,
        units=prepared.units,
        stacks={"self": stack},
        output=output[item].detach(),
    )


def _forward(
    model: Model, inputs: dict[str, Tensor], item: int, tell: Progress
) -> tuple[list[Layer], Tensor]:
    """Run the model by its tier and return its layers and its output for the whole batch."""
    options: dict[str, Any] = {}
    if "use_cache" in inspect.signature(model.module.forward).parameters:
        options["use_cache"] = False
    if model.tier == "eager":
        options["output_attentions"] = True

    def on_layer(done: int) -> None:
        tell("forward", min(1.0, done / max(1, model.layers)))

    if model.module.training:
        raise CaptureError(
            f"{model.name} is in training mode, so chance takes part in what it computes.",
            "Call model.module.eval() before the capture.",
        )
    recorder = Recorder(model.module, item, model.layers, on_layer)
    try:
        # One pass at a time, because rotary embeddings that grow with the text live on the module.
        with model.lock, torch.inference_mode(), observe(recorder):
            forget_longer_texts(model.module)
            result = model.module(**inputs, **options)
    except LoupeError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
        raise CaptureError(
            f"{model.name} failed during its forward pass: {error}",
            "Check that the inputs are what this model expects.",
        ) from error
    output = first_output(result)
    if model.tier == "eager":
        return list(reported_layers(model, result, item)), output
    if not recorder.layers:
        raise CaptureError(
            f"{model.name} made no attention call that could be recorded.",
            "Choose a model with softmax attention.",
        )
    return list(recorder.layers), output


def _refuse_other_shapes(layers: list[Layer], tokens: int, name: str) -> None:
    """Make sure that rows and columns of every layer are the text's tokens.

    Raises:
        CaptureError: a layer has others, such as memory slots or compressed keys.
    """
    for layer in layers:
        if layer.shape != (tokens, tokens):
            raise CaptureError(
                f"Layer {layer.name} of {name} looks from {layer.shape[0]:,} queries at "
                f"{layer.shape[1]:,} keys, and the text has {tokens:,} tokens.",
                "Which token each of them stands for is not known, so they are not shown.",
            )


def _is_finite(output: Tensor) -> bool:
    """Whether every position's output is made of numbers.

    A NaN in a hidden state reaches every logit of its position, so that two logits of each stand
    for a vocabulary whose reading would cost as much as a layer.
    """
    ends = output if output.ndim < 3 else output[:, [0, -1]]
    return bool(torch.isfinite(ends).all())


def _one_item(
    inputs: str | Mapping[str, Any], item: int | None
) -> tuple[int, str | dict[str, Any]]:
    """Take one text out of a batch, so that its units can be named."""
    if isinstance(inputs, str):
        return 0, inputs
    if not inputs:
        raise ShapeError("The model's inputs are empty.", "Give at least input_ids.")
    if not isinstance(inputs, Mapping):
        raise ShapeError(
            f"The inputs are a {type(inputs).__name__}.", "Give a text, or a dict of tensors."
        )
    nested = as_tensors(inputs)
    if any(value.ndim < 2 for value in nested.values()):
        raise ShapeError(
            "The model's inputs have one dimension; a batch of texts has two.",
            "Wrap them: input_ids of shape [1, tokens].",
        )
    batch = len(next(iter(nested.values())))
    if batch > 1 and item is None:
        raise ShapeError(
            f"The batch holds {batch} texts and a trace holds one.",
            f"Say which to keep with item=0 to item={batch - 1}.",
        )
    chosen = item or 0
    if not 0 <= chosen < batch:
        raise ShapeError(
            f"There is no item {chosen} in a batch of {batch}.", f"Choose 0 to {batch - 1}."
        )
    return chosen, {name: value[chosen : chosen + 1] for name, value in nested.items()}


def _tensors(inputs: Mapping[str, Any], model: Model) -> dict[str, Tensor]:
    """Bring the user's own inputs to the model's device."""
    return {name: value.to(model.device) for name, value in as_tensors(inputs).items()}


def _card(model: Model) -> ModelCard:
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


def _silent(phase: str, share: float) -> None:
    """Tell nobody."""
