"""Inputs that a tiny model of any architecture takes, made from its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

TOKENS = 24


def candidates(module: PreTrainedModel) -> Iterator[dict[str, Any]]:
    """Make inputs that a model may take, the fullest first."""
    full = inputs_of(module)
    yield full
    yield from _videos(full)
    parameters = inspect.signature(module.forward).parameters
    if "input_ids" in full:
        text = {k: v for k, v in full.items() if k not in OTHERS}
        yield from _with_image_tokens(module, full)
        yield text
        if len(text) < len(full):
            yield {k: v for k, v in full.items() if k != "attention_mask"}
    if {"hidden_states", "grid_thw"} <= set(parameters):
        yield from _packed_patches(module)
    if "pixel_values" in full:
        pixels = full["pixel_values"]
        for side in (224, 64, 128, 256, 384, 448, 518):
            yield {**full, "pixel_values": torch.randn(1, pixels.shape[1], side, side)}
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
                noise = torch.randn(1, frames, bins)
                yield {**rest, "input_features": noise}
                yield {**rest, "input_features": noise, "attention_mask": torch.ones(1, frames)}
                yield {**rest, "input_features": noise.transpose(1, 2)}
        yield {**rest, "input_features": turned, "input_features_mask": mask}
    if "input_values" in full:
        for shape in ((1, 1, 4000), (1, 16000), (1, 64, 128), (1, 1024, 128), (1, 128, 80)):
            yield {"input_values": torch.randn(*shape)}


def _videos(full: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Put the picture into a film of two frames, as models of videos take it."""
    if "pixel_values" in full and len(full) == 1 and full["pixel_values"].ndim == 4:
        for frames in (2, 8, 16, 32):
            pixels = full["pixel_values"]
            yield {"pixel_values": pixels[:, None].expand(-1, frames, -1, -1, -1).clone()}


OTHERS = ("pixel_values", "input_features", "input_values", "pixel_values_videos", "bbox")


def _with_image_tokens(module: PreTrainedModel, full: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Put as many image tokens into the text as the model makes features of the picture."""
    config = module.config
    token = next(
        (
            getattr(config, name)
            for name in ("image_token_id", "image_token_index")
            if isinstance(getattr(config, name, None), int)
        ),
        None,
    )
    ask = getattr(module, "get_image_features", None) or getattr(
        getattr(module, "model", None), "get_image_features", None
    )
    if token is None or ask is None or "pixel_values" not in full:
        return
    for pixels in (full["pixel_values"], full["pixel_values"][None]):
        try:
            with torch.inference_mode():
                features = ask(pixel_values=pixels)
        except Exception:
            continue
        found = getattr(features, "pooler_output", features)
        found = found[0] if isinstance(found, (tuple, list)) else found
        count = found.numel() // found.shape[-1]
        ids = torch.cat([torch.full((1, count), token), full["input_ids"]], dim=1)
        yield {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": pixels,
        }


def _packed_patches(module: PreTrainedModel) -> Iterator[dict[str, Any]]:
    """Make the patches of one picture of 4 x 4, as Qwen's vision towers take them."""
    config = module.config
    patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[-1]
    channels = getattr(config, "in_channels", None) or getattr(config, "num_channels", 3)
    grid = torch.tensor([[1, 4, 4]])
    for frames in (getattr(config, "temporal_patch_size", 1) or 1, 1, 2):
        yield {"hidden_states": torch.randn(16, channels * frames * patch**2), "grid_thw": grid}


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
    if not hasattr(config, "lags_sequence"):
        return {"past_values": [noise(config.context_length)], "freq": [0]}
    past = config.context_length + max(config.lags_sequence)
    ahead = config.prediction_length
    features = config.num_time_features or 1
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
