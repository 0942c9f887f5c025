"""From an image or a sound to what a model takes, through the model's own processor."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from viz.errors import InputError, LoupeError, ModelRefusedError
from viz.models.media import ImageSource, SoundSource, read_image, read_sound
from viz.models.model import Model
from viz.models.prepare import Prepared, check_text, decoder_ids
from viz.models.tokens import Units, numbered_units, patch_units, units_from_ids

# What processors of sounds expect where they do not say.
USUAL_RATE = 16_000

# Tokens that stand before the patches: none, a class token, that and one for distillation, or
# that and four registers.
BEFORE_PATCHES = (0, 1, 2, 5)


def prepare_media(
    model: Model,
    text: str | None,
    *,
    target: str | None,
    image: ImageSource | None,
    sound: SoundSource | None,
) -> Prepared:
    """Read an image or a sound, with a text where the model takes one beside it.

    Raises:
        InputError: the image or the sound cannot be read, or the processor refuses it.
        ModelRefusedError: the model has no processor.
    """
    processor = model.processor
    if processor is None:
        sense = "an image" if image is not None else "a sound"
        raise ModelRefusedError(
            f"{model.name} has no processor, so it cannot read {sense}.",
            "Give its own inputs, or the processor: viz.wrap_model(module, processor=...).",
        )
    given: dict[str, Any] = {"return_tensors": "pt"}
    if image is not None:
        given["images"] = read_image(image)
    if sound is not None:
        given |= _heard(processor, sound)
    if text is not None:
        given["text"] = check_text(text)
    try:
        made = processor(**given)
    except LoupeError:
        raise
    except Exception as error:
        raise InputError(
            f"The processor of {model.name} refuses this input: {error}",
            "Check that the model reads what was given.",
        ) from error
    inputs = {
        name: value.to(model.device) for name, value in made.items() if isinstance(value, Tensor)
    }
    inputs = _with_dtype(inputs, model.dtype)
    known: list[Units] = []
    if "input_ids" in inputs:
        known.append(units_from_ids(model.tokenizer, inputs["input_ids"][0].tolist()))
    config: Any = model.module.config if hasattr(model.module, "config") else None
    asks = inspect.signature(model.module.forward).parameters
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in asks:
        ids = decoder_ids(model, target)
        inputs["decoder_input_ids"] = torch.tensor([ids], device=model.device)
        known.append(units_from_ids(model.tokenizer, ids))
    if "pixel_values" in inputs:
        known += _patches(config, inputs["pixel_values"])
    units = known[0] if known else numbered_units("position", 0)
    return Prepared(inputs, units, text, target, tuple(known))


def _heard(processor: Any, sound: SoundSource) -> dict[str, Any]:
    """Read a sound at the rate that the processor wants, under the name that it has for it."""
    extractor = getattr(processor, "feature_extractor", processor)
    rate = int(getattr(extractor, "sampling_rate", USUAL_RATE))
    names = inspect.signature(processor.__call__).parameters
    name = next((n for n in ("raw_speech", "audio", "audios", "raw_audio") if n in names), "audio")
    return {name: read_sound(sound, rate), "sampling_rate": rate}


def _with_dtype(inputs: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in inputs.items()
    }


def _patches(config: Any, pixels: Tensor) -> list[Units]:
    """Name the patches of a picture by row and column, with whatever may stand before them."""
    vision = getattr(config, "vision_config", None) or config
    size = getattr(vision, "patch_size", None)
    size = size[-1] if isinstance(size, (tuple, list)) else size
    if not isinstance(size, int) or pixels.ndim != 4:
        return []
    rows, columns = pixels.shape[-2] // size, pixels.shape[-1] // size
    return [patch_units(rows, columns, before) for before in BEFORE_PATCHES]
