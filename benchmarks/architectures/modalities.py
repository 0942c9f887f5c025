"""Pictures and sounds in the shapes that models take them, alone and beside a text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.architectures.fields import (
    Inputs,
    find,
    first,
    grid_side,
    in_proportion,
    noise,
    usual_side,
)

# More tokens than this for one picture would cost more than they show.
MOST_TOKENS = 2000

# Windows of a sound, of four lengths each; more would cost more than they show.
MOST_WINDOWS = 4

IMAGE_TOKENS = ("image_token_id", "image_token_index", "media_placeholder_token_id")
AUDIO_TOKENS = ("audio_token_id", "audio_token_index")

# What a model is told about a token of each kind, as its processor would.
TYPE_OF_IMAGE, TYPE_OF_AUDIO = 1, 3

FRAME_MASKS = ("input_features_mask", "feature_attention_mask", "attention_mask")


def beside_text(module: PreTrainedModel, text: Inputs) -> Iterator[Inputs]:
    """Put a picture and a sound beside a text, then each alone, as many tokens as features."""
    takes = parameters_of(module.forward)
    picture = _placed(module, IMAGE_TOKENS, "get_image_features", pictures(module.config, takes))
    sound = _placed(module, AUDIO_TOKENS, "get_audio_features", sounds(module.config, takes))
    both = [({**seen, **heard}, [*p, *s]) for seen, p in picture[:1] for heard, s in sound[:2]]
    kinds = [*both, *picture, *sound]
    joined = [_with_tokens(text, inputs, tokens, takes) for inputs, tokens in kinds]
    yield from joined
    # With a mask some count positions of pictures, and their configuration lacks what that takes.
    yield from ({k: v for k, v in one.items() if k != "attention_mask"} for one in joined)


def parameters_of(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return what a function takes, by name."""
    return dict(inspect.signature(call).parameters)


def _placed(
    module: PreTrainedModel, fields: Iterable[str], method: str, kinds: Iterable[Inputs]
) -> list[tuple[Inputs, list[tuple[int, int, int]]]]:
    """Return the kinds that a model makes features of, each with its token, their number, type."""
    token = next((t for t in (find(module.config, f) for f in fields) if t), None)
    ask = _asked(module, method)
    if not isinstance(token, int) or ask is None:
        return []
    takes = parameters_of(ask)
    if "kwargs" in takes:
        takes |= parameters_of(module.forward)
    type_of_token = TYPE_OF_IMAGE if fields is IMAGE_TOKENS else TYPE_OF_AUDIO
    found = []
    for inputs in kinds:
        try:
            with torch.inference_mode():
                features = ask(**{k: v for k, v in inputs.items() if k in takes})
        except Exception:
            continue
        count = _tokens_of(features, module.get_input_embeddings().weight.shape[-1])
        if 0 < count <= MOST_TOKENS:
            found.append((inputs, [(token, count, type_of_token)]))
    return found


def _asked(module: PreTrainedModel, method: str) -> Callable[..., Any] | None:
    """Return the method that makes features, of the inner model where the outer hides its names."""
    for owner in module.modules():
        ask: Callable[..., Any] | None = getattr(owner, method, None)
        if ask is not None and "args" not in parameters_of(ask):
            return ask
    return None


def _tokens_of(features: Any, width: int) -> int:
    """Count the tokens that features take the place of."""
    found = getattr(features, "pooler_output", None)
    found = found if found is not None else getattr(features, "last_hidden_state", features)
    parts = found if isinstance(found, (tuple, list)) else [found]
    flat = [p for part in parts for p in (part if isinstance(part, (tuple, list)) else [part])]
    return sum(part.numel() for part in flat if isinstance(part, Tensor)) // width


def _with_tokens(
    text: Inputs,
    inputs: Inputs,
    tokens: Iterable[tuple[int, int, int]],
    takes: Collection[str],
) -> Inputs:
    """Put tokens before a text for the features that will take their place."""
    ids, types = [text["input_ids"]], [torch.zeros_like(text["input_ids"])]
    for token, count, kind in tokens:
        ids.insert(0, torch.full((1, count), token))
        types.insert(0, torch.full((1, count), kind))
    joined = {"input_ids": torch.cat(ids, dim=1), **inputs}
    if "decoder_input_ids" in text:
        joined["decoder_input_ids"] = text["decoder_input_ids"]
    if "attention_mask" in text:
        joined["attention_mask"] = torch.ones_like(joined["input_ids"])
    for name in ("mm_token_type_ids", "token_type_ids", "moe_mm_token_type_ids"):
        if name in takes:
            joined[name] = torch.cat(types, dim=1)
    return joined


def pictures(config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make one picture in each of the ways that a model's forward may take it."""
    vision = find(config, "vision_config") or config
    if {"pixel_values", "hidden_states"} & set(takes):
        for kind in (_gridded, _shaped, _positioned, _sized, _tiled, _square):
            yield from kind(vision, config, takes)


def _patches(vision: Any) -> tuple[int, int]:
    """Return the channels and the side of a patch."""
    channels = first(vision, ("in_channels", "num_channels", "in_chans"), 3)
    return channels, first(vision, ("patch_size",), 8)


def _gridded(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make patches in a row with their grid of time, height and width, as Qwen's models do."""
    grids = ("image_grid_thw", "grid_thw", "image_grid_hw")
    grid = next((name for name in grids if name in takes), None)
    if grid is None:
        return
    main = "pixel_values" if "pixel_values" in takes else "hidden_states"
    channels, patch = _patches(vision)
    sides = [grid_side(), grid_side()] if grid == "image_grid_hw" else [1, grid_side(), grid_side()]
    rest: Inputs = {grid: torch.tensor([sides])}
    for name in ("image_merge_sizes", "merge_sizes"):
        if name in takes:
            rest[name] = torch.tensor([2])
    time = first(vision, ("temporal_patch_size",), 1)
    for frames in dict.fromkeys((time, 1, 2)):
        yield {main: noise(grid_side() ** 2, channels * frames * patch**2), **rest}
    for shape in (
        (grid_side() ** 2, channels, patch, patch),
        (1, grid_side() ** 2, channels, patch, patch),
        (grid_side() ** 2, time, channels, patch, patch),
        (grid_side() ** 2, time, patch, patch, channels),
    ):
        yield {main: noise(*shape), **rest}
    # Inkling counts the grid in tokens, of which each is some patches with their channels last.
    merge = first(vision, ("spatial_merge_size",), 1)
    wide = merge * patch
    tokens = grid_side() // merge
    rest[grid] = torch.tensor([[1, tokens, tokens]])
    yield {main: noise(tokens**2, wide, wide, channels), **rest}


def _shaped(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make padded patches with the shape of each picture, as SigLIP 2 does."""
    if "spatial_shapes" not in takes:
        return
    channels, patch = _patches(vision)
    yield {
        "pixel_values": noise(1, grid_side() ** 2, channels * patch**2),
        "pixel_attention_mask": torch.ones(1, grid_side() ** 2, dtype=torch.long),
        "spatial_shapes": torch.tensor([[grid_side(), grid_side()]]),
    }


def _positioned(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make patches with their places, as Gemma 4 does; a kernel of them becomes a token."""
    names = ("image_position_ids", "pixel_position_ids")
    name = next((name for name in names if name in takes), None)
    if name is None:
        return
    channels, patch = _patches(vision)
    kernel = first(vision, ("pooling_kernel_size",), 2)
    side = kernel * max(2, grid_side() // kernel)
    places = torch.stack(torch.meshgrid(*[torch.arange(side)] * 2, indexing="xy"), dim=-1)
    for width in (channels * patch**2, channels * (patch * kernel) ** 2):
        yield {"pixel_values": noise(1, side**2, width), name: places.reshape(1, -1, 2)}


def _sized(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make a strip of patches with the height and width that it has in patches, as MiniCPM-V."""
    if "target_sizes" not in takes:
        return
    channels, patch = _patches(vision)
    for side in (grid_side(), 2 * grid_side()):
        sizes = torch.tensor([[side, side]])
        for pixels in (
            noise(1, channels, patch, side**2 * patch),
            noise(1, side**2, channels * patch**2),
        ):
            yield {"pixel_values": pixels, "target_sizes": sizes}


def _tiled(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Cut a picture of two by two tiles as LLaVA-NeXT does, and add the whole as one more tile."""
    grids = find(config, "image_grid_pinpoints")
    if not grids or "image_sizes" not in takes:
        return
    channels, patch = _patches(vision)
    side = first(vision, ("image_size",), 4 * patch)
    # The processor scales to whichever of these sizes suits; it must not be hundreds of tiles.
    if [2 * side, 2 * side] in [list(grid) for grid in grids]:
        sizes = torch.tensor([[2 * side, 2 * side]])
        yield {"pixel_values": noise(1, 5, channels, side, side), "image_sizes": sizes}


def _square(vision: Any, config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make a picture of pixels, alone and as one of a list, with its size where that is asked."""
    if "pixel_values" not in takes:
        return
    channels, patch = _patches(vision)
    size = first(vision, ("image_size",), max(4 * patch, usual_side()))
    question = {"qformer_input_ids": torch.arange(20, 28)[None]}
    if not set(question) <= set(takes):
        question = {}
    for side in dict.fromkeys((size, 224, 4 * patch, 8 * patch)):
        pixels = noise(1, channels, side, side)
        sizes = {"image_sizes": torch.tensor([[side, side]])} if "image_sizes" in takes else {}
        mask = {}
        if "pixel_attention_mask" in takes:
            mask = {"pixel_attention_mask": torch.ones(1, 1, side, side, dtype=torch.bool)}
        for size_of in dict.fromkeys((False, bool(sizes))):
            yield {"pixel_values": pixels, **question, **(sizes if size_of else {})}
            yield {"pixel_values": pixels[None], **mask, **(sizes if size_of else {})}
        if mask:
            # Granite Docling masks whole tiles, not their pixels.
            tile = torch.ones(1, 1, dtype=torch.bool)
            yield {"pixel_values": pixels[None], "pixel_attention_mask": tile}


def sounds(config: Any, takes: Collection[str]) -> Iterator[Inputs]:
    """Make one sound in each of the ways that a model's forward may take it."""
    audio = find(config, "audio_config") or find(config, "encoder_config") or config
    if "input_features" in takes:
        bins = first(
            audio,
            (
                *(
                    "input_size",
                    "num_mel_bins",
                    "input_feat_per_channel",
                    "feature_size",
                    "input_dim",
                ),
                *("mel_bins", "audio_embed_dim"),
            ),
            80,
        )
        # Whisper's positions are half its frames; Qwen's encoders read windows, here two of them.
        window = first(audio, ("n_window",), 0)
        positions = first(audio, ("max_source_positions",), 0)
        windows = min(MOST_WINDOWS, max(1, in_proportion(1)))
        frames = 4 * window * windows or 2 * positions or in_proportion(64)
        names = [name for name in FRAME_MASKS if name in takes and name != "attention_mask"]
        for features in (noise(1, bins, frames), noise(1, frames, bins)):
            for kind in (torch.long, torch.bool):
                mask = {name: torch.ones(1, frames, dtype=kind) for name in names}
                yield {"input_features": features, **mask}
            if names:
                yield {"input_features": features}
        if "chunk_sample_lengths" in takes:
            samples = torch.tensor([frames * first(audio, ("hop_length",), 160)])
            sound = noise(1, bins, frames)
            yield {"input_features": sound, "chunk_sample_lengths": samples}
    if "input_values" in takes:
        long, whole = in_proportion(4000), 3840 * max(1, in_proportion(1))
        for samples in (noise(1, long), noise(1, 1, long), noise(1, whole)):
            yield {"input_values": samples}
