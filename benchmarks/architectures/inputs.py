"""Inputs that a tiny model of any architecture takes, made from its configuration."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

TOKENS = 24


def inputs_of(module: PreTrainedModel) -> dict[str, Any]:
    """Make one input of everything that a model's forward asks for."""
    parameters = inspect.signature(module.forward).parameters
    config = module.config
    made: dict[str, Any] = {}
    main = module.main_input_name
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    if "input_ids" in parameters and _find(config, "vocab_size"):
        vocabulary = int(_find(config, "vocab_size"))
        ids = torch.randint(20, min(vocabulary, 60), (1, TOKENS), generator=generator)
        made["input_ids"] = ids
        if "attention_mask" in parameters:
            made["attention_mask"] = torch.ones_like(ids)
    size, channels = _find(config, "image_size") or 32, _find(config, "num_channels") or 3
    side = size if isinstance(size, int) else size[0]
    if "pixel_values" in parameters:
        made["pixel_values"] = noise(1, channels, side, side)
    if main == "pixel_values_videos" or (
        main == "pixel_values" and "video" in type(module).__name__.lower()
    ):
        made.pop("pixel_values", None)
        made[main] = noise(1, _find(config, "num_frames") or 2, channels, side, side)
    if main == "input_values":
        bins = _find(config, "num_mel_bins")
        long = _find(config, "max_length")
        made["input_values"] = (
            noise(1, long, bins)
            if bins
            and isinstance(long, int)
            and "max_length" in vars(config)
            and "AST" in type(module).__name__
            else noise(1, 4000)
        )
    if main == "input_features":
        bins = (
            _find(config, "num_mel_bins")
            or _find(config, "input_feat_per_channel")
            or _find(config, "feature_size")
            or 16
        )
        made["input_features"] = noise(1, bins, 2 * (_find(config, "max_source_positions") or 32))
    if main == "past_values":
        made |= _series(config, noise)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in parameters:
        made["decoder_input_ids"] = torch.randint(20, 60, (1, 7), generator=generator)
    if "bbox" in parameters:
        made["bbox"] = torch.zeros(1, TOKENS, 4, dtype=torch.long)
    return made


def _series(config: Any, noise: Any) -> dict[str, Any]:
    """Make a time series with its times, as the probabilistic and the patched models take them."""
    channels = getattr(config, "num_input_channels", None)
    if channels:
        return {"past_values": noise(1, config.context_length, channels)}
    past = config.context_length + max(config.lags_sequence)
    ahead = config.prediction_length
    features = config.num_time_features
    return {
        "past_values": noise(1, past),
        "past_time_features": noise(1, past, features),
        "past_observed_mask": torch.ones(1, past),
        "future_values": noise(1, ahead),
        "future_time_features": noise(1, ahead, features),
    }


def _find(config: Any, name: str) -> Any:
    """Look for an attribute in a configuration and in those that it holds."""
    value = getattr(config, name, None)
    if value:
        return value
    for part in getattr(type(config), "sub_configs", {}):
        nested = getattr(config, part, None)
        if nested is not None and (found := _find(nested, name)):
            return found
    return None
