"""From an image or a sound to what a model takes, through the model's own processor."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Container, Mapping
from typing import Any

import torch
from torch import Tensor

from viz.errors import (
    BudgetError,
    InputError,
    LoupeError,
    ModelRefusedError,
    ShapeError,
    TextTooLongError,
)
from viz.inputs.input_checks import check_text, require_sense
from viz.inputs.media import (
    LEAST_RATE,
    MOST_RATE,
    ImageSource,
    SoundSource,
    read_image,
    read_sound,
)
from viz.inputs.patch_names import patch_names, units_in
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.inputs.processor_limits import bounded, require_picture, require_sound
from viz.inputs.text import decoder_ids
from viz.inputs.units import Units, numbered_units, units_from_ids
from viz.models.device import available_memory_bytes
from viz.models.forward_signature import forward_parameters
from viz.models.model import ONE, Model, Sense, one_of
from viz.models.model_facts import INPUTS
from viz.models.run_cost import LIVE_ACTIVATIONS, MEMORY_SHARE

# What processors of sounds expect where they do not say.
USUAL_RATE = 16_000

# Patches or frames of one input: as many patches as Qwen2-VL's processor makes of its largest picture.
MOST_UNITS = 65_536


def prepare_any(
    model: Model,
    inputs: str | Mapping[str, Any] | None,
    *,
    pair: str | None,
    target: str | None,
    image: ImageSource | None,
    sound: SoundSource | None,
    item: int | None,
) -> Prepared:
    """Turn whatever a person gives into what a model's forward takes; see `viz.capture`."""
    if image is None and sound is None:
        if inputs is None:
            raise InputError(
                f"{model.name} was given nothing to read.", f"Give it {one_of(model.reads)}."
            )
        return prepare(model, inputs, pair=pair, target=target, item=item)
    if isinstance(inputs, Mapping):
        raise ShapeError(
            "An image or a sound came beside the model's own inputs.", "Give one or the other."
        )
    return prepare_media(model, inputs, target=target, image=image, sound=sound)


def refuse_alone(model: Model, given: Collection[Sense]) -> InputError | None:
    """Say what a model needs beside what it failed on; None where all that it reads was given."""
    missing = model.reads - set(given)
    if not given or not missing:
        return None
    return InputError(
        f"{model.name} does not run on {' and '.join(ONE[sense] for sense in sorted(given))} alone.",
        f"Give {one_of(missing)} beside it.",
    )


def senses_in(inputs: Container[str]) -> frozenset[Sense]:
    """Tell by their names what a model's inputs hold."""
    return frozenset(sense for sense, names in INPUTS.items() if any(n in inputs for n in names))


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
    sense: Sense = "image" if image is not None else "sound"
    require_sense(model, sense)
    processor = model.processor
    if processor is None:
        raise ModelRefusedError(
            f"{model.name} has no processor, so it cannot read {ONE[sense]}.",
            "Give its own inputs, or the processor: viz.wrap_model(module, processor=...).",
        )
    given: dict[str, Any] = {"return_tensors": "pt"}
    size = (1, 1)
    if image is not None:
        given["images"] = picture = read_image(image)
        size = picture.size
        require_picture(processor, model.name, size)
    if sound is not None:
        given |= _heard(model, sound)
    if text is not None:
        given["text"] = _with_place(processor, check_text(text), image is not None)
    try:
        with bounded(model.name, size):
            made = processor(**given)
    except LoupeError:
        raise
    except Exception as error:
        alone = refuse_alone(model, {sense}) if text is None else None
        raise alone or InputError(
            f"The processor of {model.name} refuses this input: {error}",
            "Check that the model reads what was given.",
        ) from error
    _require_few(model, made, sense)
    inputs = {
        name: value.to(model.device) for name, value in made.items() if isinstance(value, Tensor)
    }
    inputs = _with_dtype(inputs, model.dtype)
    known: list[Units] = []
    if "input_ids" in inputs:
        known.append(units_from_ids(model.tokenizer, inputs["input_ids"][0].tolist()))
    config: Any = model.module.config if hasattr(model.module, "config") else None
    asks = forward_parameters(model.module)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in asks:
        ids = decoder_ids(model, target)
        most = getattr(config, "max_target_positions", None)
        if isinstance(most, int) and len(ids) > most:
            raise TextTooLongError(
                f"The second text has {len(ids):,} tokens; {model.name} writes {most:,}.",
                "Shorten it.",
                tokens=len(ids),
                limit=most,
            )
        inputs["decoder_input_ids"] = torch.tensor([ids], device=model.device)
        known.append(units_from_ids(model.tokenizer, ids))
    if "pixel_values" in inputs:
        known += patch_names(config, inputs["pixel_values"])
    units = known[0] if known else numbered_units("position", 0)
    other = "patch" if image is not None else "frame"
    seconds = _seconds(processor, inputs) if sound is not None else None
    return Prepared(inputs, units, text, target, tuple(known), other=other, seconds=seconds)


def _with_place(processor: Any, text: str, image: bool) -> str:
    """Say in a text where its picture or its sound belongs, as the model was taught to.

    A text that has the place already is left as it is.
    """
    mark = getattr(processor, "image_token" if image else "audio_token", None)
    if not isinstance(mark, str) or mark in text:
        return text
    if getattr(processor, "chat_template", None):
        kind = "image" if image else "audio"
        said = [{"type": kind}, {"type": "text", "text": text}]
        chat = processor.apply_chat_template(
            [{"role": "user", "content": said}], add_generation_prompt=True
        )
        if isinstance(chat, str) and mark in chat:
            return chat
    # PaliGemma's processor puts as many as it needs; two kinds would be too many.
    return text if "PaliGemma" in type(processor).__name__ else f"{mark}\n{text}"


def _require_few(model: Model, made: Mapping[str, Any], sense: Sense) -> None:
    """Make sure that a pass over what a processor made is to be had, by the number of its units.

    Raises:
        BudgetError: there are too many, or no memory for what any transformer holds of so many.
    """
    config: Any = getattr(model.module, "config", None)
    units = units_in(config, made)
    parts = "patches" if sense == "image" else "frames"
    hint = "Crop it or scale it down" if sense == "image" else "Cut it"
    becomes = f"The {'picture' if sense == 'image' else sense} becomes {units:,} {parts}"
    if units > MOST_UNITS:
        raise BudgetError(f"{becomes}; at most {MOST_UNITS:,} are run.", f"{hint}.")
    vision = getattr(config, "vision_config", None) or config
    width = getattr(vision, "hidden_size", None)
    if not isinstance(width, int):
        return
    needed = units * width * (LIVE_ACTIVATIONS + 2 * model.layers) * model.dtype.itemsize
    free = available_memory_bytes(model.device)
    if needed > MEMORY_SHARE * free:
        raise BudgetError(
            f"{becomes}, which need at least {needed / 1e9:,.1f} GB with {model.name}; "
            f"{free / 1e9:,.1f} GB are free.",
            f"{hint}, or choose a smaller model.",
        )


def _heard(model: Model, sound: SoundSource) -> dict[str, Any]:
    """Read a sound at the rate that the processor wants, under the name that it has for it."""
    processor: Any = model.processor
    extractor = getattr(processor, "feature_extractor", processor)
    rate = int(getattr(extractor, "sampling_rate", USUAL_RATE))
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise ModelRefusedError(
            f"The processor of {model.name} wants {rate:,} samples a second; {LEAST_RATE:,} to "
            f"{MOST_RATE:,} are read.",
            "Correct the sampling_rate in its preprocessor_config.json.",
        )
    names = inspect.signature(processor.__call__).parameters
    name = next((n for n in ("raw_speech", "audio", "audios", "raw_audio") if n in names), "audio")
    samples = read_sound(sound, rate)
    require_sound(extractor, model.name, len(samples), len(samples) / rate)
    return {name: samples, "sampling_rate": rate}


def _seconds(processor: Any, inputs: dict[str, Tensor]) -> float | None:
    """How long the model hears, padding included: samples by their rate, or steps by theirs."""
    extractor = getattr(processor, "feature_extractor", processor)
    rate = float(getattr(extractor, "sampling_rate", USUAL_RATE))
    if "input_values" in inputs and inputs["input_values"].ndim == 2:
        return inputs["input_values"].shape[-1] / rate
    hop = getattr(extractor, "hop_length", None)
    if "input_features" in inputs and isinstance(hop, int):
        sizes = inputs["input_features"].shape[1:]
        # A short sound has fewer steps than a spectrogram has bands.
        bands = getattr(extractor, "feature_size", None)
        return max([size for size in sizes if size != bands] or sizes) * hop / rate
    return None


def _with_dtype(inputs: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in inputs.items()
    }
