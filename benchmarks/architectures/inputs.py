"""Inputs that a tiny model of any architecture takes, made from its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter
from typing import Any

import torch
from transformers import PreTrainedModel

from benchmarks.architectures.fields import (
    Inputs,
    find,
    first,
    in_proportion,
    noise,
    target_count,
    token_count,
    usual_side,
)
from benchmarks.architectures.modalities import beside_text, parameters_of, pictures, sounds
from benchmarks.architectures.special_inputs import special_inputs


def candidates(module: PreTrainedModel) -> Iterator[Inputs]:
    """Make inputs that a model may take, the fullest first."""
    special = special_inputs(module.config)
    if special is not None:
        yield special
    full = inputs_of(module)
    parameters = parameters_of(module.forward)
    if "input_ids" in full:
        yield from beside_text(module, full)
    yield full
    yield from _videos(full)
    if "input_ids" in full:
        text = {k: v for k, v in full.items() if k not in OTHERS}
        yield from ({**text, **picture} for picture in pictures(module.config, parameters))
        yield text
        if len(text) < len(full):
            yield {k: v for k, v in full.items() if k != "attention_mask"}
    else:
        yield from pictures(module.config, parameters)
        yield from sounds(module.config, parameters)
        yield from _of_parts(module.config, parameters, full)
    if "pixel_values" in full:
        pixels = full["pixel_values"]
        for side in (224, 64, 128, 256, 384, 448, 518):
            yield {**full, "pixel_values": noise(1, pixels.shape[1], side, side)}
        yield {"pixel_values": pixels[:, None]}
        yield {"pixel_values": pixels}
    if "input_features" in full:
        features = full["input_features"]
        rest = {k: v for k, v in full.items() if k != "input_features"}
        turned = features.transpose(1, 2)
        yield {**rest, "input_features": turned}
        mask = torch.ones(1, turned.shape[1], dtype=torch.long)
        for bins in (80, 128, 160, features.shape[1]):
            for frames in (64, 128, 3000):
                sound = noise(1, frames, bins)
                yield {**rest, "input_features": sound}
                yield {**rest, "input_features": sound, "attention_mask": torch.ones(1, frames)}
                yield {**rest, "input_features": sound.transpose(1, 2)}
        yield {**rest, "input_features": turned, "input_features_mask": mask}
    if "input_values" in full:
        long = in_proportion(4000)
        for shape in ((1, 1, long), (1, 4 * long), (1, 64, 128), (1, 1024, 128), (1, 128, 80)):
            yield {"input_values": noise(*shape)}


def _videos(full: Inputs) -> Iterator[Inputs]:
    """Put the picture into a film of two frames, as models of videos take it."""
    if "pixel_values" in full and len(full) == 1 and full["pixel_values"].ndim == 4:
        for frames in (2, 8, 16, 32):
            pixels = full["pixel_values"]
            yield {"pixel_values": pixels[:, None].expand(-1, frames, -1, -1, -1).clone()}


OTHERS = ("pixel_values", "input_features", "input_values", "pixel_values_videos", "bbox")


# Where the width of what a part takes from another may stand.
WIDTHS = ("hidden_size", "input_dim", "d_model", "embed_dim", "encoder_hidden_size", "input_size")


def _of_parts(config: Any, parameters: dict[str, Parameter], full: Inputs) -> Iterator[Inputs]:
    """Make hidden states for all that a part of a model cannot do without."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    asked = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in kinds and parameter.default is Parameter.empty and name not in full
    ]
    masks = {
        name: torch.ones(1, token_count(), dtype=torch.long) for name in asked if "mask" in name
    }
    for width in dict.fromkeys(first(config, (name,), 0) for name in WIDTHS):
        states = {name: noise(1, token_count(), width) for name in asked if name not in masks}
        if width and states:
            yield {**full, **states, **masks}


def inputs_of(module: PreTrainedModel) -> Inputs:
    """Make one input of everything that a model's forward asks for."""
    parameters = parameters_of(module.forward)
    config = module.config
    made: Inputs = {}
    main = module.main_input_name
    generator = torch.Generator().manual_seed(0)
    if "input_ids" in parameters and find(config, "vocab_size"):
        vocabulary = int(find(config, "vocab_size"))
        ids = torch.randint(20, min(vocabulary, 60), (1, token_count()), generator=generator)
        made["input_ids"] = ids
        if "attention_mask" in parameters:
            made["attention_mask"] = torch.ones_like(ids)
    size, channels = find(config, "image_size") or usual_side(), find(config, "num_channels") or 3
    high, wide = (size, size) if isinstance(size, int) else size
    if "pixel_values" in parameters:
        made["pixel_values"] = noise(1, channels, high, wide)
    if main == "pixel_values_videos" or (
        main == "pixel_values" and "video" in type(module).__name__.lower()
    ):
        made.pop("pixel_values", None)
        made[main] = noise(1, find(config, "num_frames") or 2, channels, high, wide)
    if main == "input_values":
        bins = find(config, "num_mel_bins")
        long = find(config, "max_length")
        made["input_values"] = (
            noise(1, long, bins)
            if bins
            and isinstance(long, int)
            and "max_length" in vars(config)
            and "AST" in type(module).__name__
            else noise(1, in_proportion(4000))
        )
    if main == "input_features":
        bins = (
            find(config, "num_mel_bins")
            or find(config, "input_feat_per_channel")
            or find(config, "feature_size")
            or 16
        )
        made["input_features"] = noise(
            1, bins, 2 * (find(config, "max_source_positions") or in_proportion(32))
        )
    if main == "past_values":
        made |= _series(config)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in parameters:
        made["decoder_input_ids"] = torch.randint(20, 60, (1, target_count()), generator=generator)
    if "bbox" in parameters:
        made["bbox"] = torch.zeros(1, token_count(), 4, dtype=torch.long)
    return made


def _series(config: Any) -> Inputs:
    """Make a time series with its times, as the probabilistic and the patched models take them."""
    channels = getattr(config, "num_input_channels", None)
    if channels:
        return {"past_values": noise(1, config.context_length, channels)}
    if not hasattr(config, "lags_sequence"):
        return {"past_values": [noise(config.context_length)], "freq": [0]}
    past = config.context_length + max(config.lags_sequence)
    ahead = config.prediction_length
    # The rest of the model's width is the lagged values, their mean and their scale.
    features = config.feature_size - len(config.lags_sequence) - 2
    return {
        "past_values": noise(1, past),
        "past_time_features": noise(1, past, features),
        "past_observed_mask": torch.ones(1, past),
        "future_values": noise(1, ahead),
        "future_time_features": noise(1, ahead, features),
    }
