"""Inputs of the architectures that take pictures in a way of their own, by model type."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.architectures.fields import (
    Inputs,
    Maker,
    find,
    grid_side,
    noise,
    patch_count,
    side_of,
    step_count,
    target_count,
    text,
    text_after,
    token_count,
    words,
)

# Two thousand latents, which is the default of KOSMOS-2.5, would take longer than a sweep waits.
MOST_LATENTS = 200


def _idefics(config: Any) -> Inputs:
    side = side_of(config.vision_config)
    seen = torch.ones(1, token_count(), 1, dtype=torch.long)
    return {**text(), "pixel_values": noise(1, 1, 3, side, side), "image_attention_mask": seen}


def _kosmos2(config: Any) -> Inputs:
    """Leave room before the words for the latents that a picture becomes."""
    side, latents = side_of(config.vision_config), config.latent_query_num
    place = torch.zeros(1, latents + token_count(), dtype=torch.long)
    place[:, :latents] = 1
    pixels = noise(1, 3, side, side)
    known = text(latents + token_count())
    return {**known, "pixel_values": pixels, "image_embeds_position_mask": place}


def _kosmos2_5(config: Any) -> Inputs:
    """Leave room for the latents, as in KOSMOS-2; the picture is patches that know their places."""
    latents = config.latent_query_num
    if latents > MOST_LATENTS:
        return text()
    place = torch.zeros(1, latents + token_count(), dtype=torch.long)
    place[:, :latents] = 1
    patches = flattened(config.vision_config.patch_embed_hidden_size)
    known = text(latents + token_count())
    return {**known, "flattened_patches": patches, "image_embeds_position_mask": place}


def flattened(width: int) -> Tensor:
    """Make patches of which each says its row and its column first, both from 1."""
    along = torch.arange(1, grid_side() + 1)
    places = torch.cartesian_prod(along, along).float()
    return torch.cat([places[None], noise(1, patch_count(), width)], dim=-1)


def _pix2struct_vision(config: Any) -> Inputs:
    patches = flattened(config.patch_embed_hidden_size)
    return {"flattened_patches": patches, "attention_mask": torch.ones(1, patch_count())}


def _pix2struct(config: Any) -> Inputs:
    return {**_pix2struct_vision(config.vision_config), "decoder_input_ids": words(target_count())}


def _tiles(vision: Any) -> Inputs:
    """Cut a picture into all the tiles that Llama 3.2 takes."""
    tiles, side = vision.max_num_tiles, side_of(vision)
    return {
        "pixel_values": noise(1, 1, tiles, vision.num_channels, side, side),
        "aspect_ratio_ids": torch.tensor([[len(vision.supported_aspect_ratios)]]),
        "aspect_ratio_mask": torch.ones(1, 1, tiles, dtype=torch.long),
    }


def _mllama(config: Any) -> Inputs:
    picture = _tiles(config.vision_config)
    seen = torch.ones(1, token_count(), 1, config.vision_config.max_num_tiles, dtype=torch.long)
    return {**text(), **picture, "cross_attention_mask": seen}


def _lxmert(config: Any) -> Inputs:
    return {
        **text(),
        "visual_feats": noise(1, patch_count(), config.visual_feat_dim),
        "visual_pos": noise(1, patch_count(), config.visual_pos_dim).sigmoid(),
    }


def _visual_bert(config: Any) -> Inputs:
    kind = torch.ones(1, patch_count(), dtype=torch.long)
    regions = noise(1, patch_count(), config.visual_embedding_dim)
    return {
        **text(),
        "visual_embeds": regions,
        "visual_token_type_ids": kind,
        "visual_attention_mask": kind,
    }


def _instructblipvideo(config: Any) -> Inputs:
    frames, side = 2, side_of(config.vision_config)
    return {
        **text_after(config.video_token_id or 0, frames * config.num_query_tokens),
        "qformer_input_ids": words(step_count()),
        "pixel_values": noise(1, frames, 3, side, side),
    }


def _xclip(config: Any) -> Inputs:
    vision = config.vision_config
    side = side_of(vision)
    return {**text(), "pixel_values": noise(1, vision.num_frames, 3, side, side)}


def _xclip_vision(config: Any) -> Inputs:
    side = side_of(config)
    return {"pixel_values": noise(config.num_frames, 3, side, side)}


def _omdet(config: Any) -> Inputs:
    """Give a picture, two classes of things to find in it, and the words of the task."""
    classes, task = words(step_count(), rows=2), words(step_count())
    return {
        "pixel_values": noise(1, 3, 64, 64),
        "classes_input_ids": classes,
        "classes_attention_mask": torch.ones_like(classes),
        "tasks_input_ids": task,
        "tasks_attention_mask": torch.ones_like(task),
        "classes_structure": torch.tensor([2]),
    }


def _oneformer(config: Any) -> Inputs:
    return {"pixel_values": noise(1, 3, 64, 64), "task_inputs": words(config.task_seq_len)}


def _seggpt(config: Any) -> Inputs:
    """Make the picture and the prompt, which are laid on top of each other."""
    high, wide = config.image_size
    half = (1, 3, high // 2, wide)
    return {name: noise(*half) for name in ("pixel_values", "prompt_pixel_values", "prompt_masks")}


def _fuyu(config: Any) -> Inputs:
    """Put a row of patches in the place of as many tokens."""
    patches = noise(1, patch_count(), config.num_channels * config.patch_size**2)
    return {**text_after(config.image_token_id, patch_count()), "pixel_values": patches}


def _bridgetower_vision(config: Any) -> Inputs:
    side = side_of(config)
    return {"image": noise(1, config.num_channels, side, side)}


def _inkling(config: Any) -> Inputs:
    """Put one patch of a few frames, its channels last, in the place of a token."""
    vision = config.vision_config
    patch = vision.patch_size
    pixels = noise(1, vision.temporal_patch_size, patch, patch, vision.num_channels)
    return {**text_after(config.image_token_id, 1), "pixel_values": pixels}


def _glm_image(config: Any) -> Inputs:
    """Give a picture, a token each patch, and the grid of the one that is to be made of it."""
    vision = config.vision_config
    return {
        **text_after(config.image_token_id, patch_count()),
        "pixel_values": noise(patch_count(), 3 * vision.patch_size**2),
        "image_grid_thw": torch.tensor([[1, grid_side(), grid_side()]] * 2),
        "images_per_sample": torch.tensor([2]),
    }


def _granite4_vision(config: Any) -> Inputs:
    """Put five tiles, of which each becomes a square of tokens, and the ends of rows before a text.

    The features come layer by layer, so that their number is not that of the tokens.
    """
    side = side_of(config.vision_config)
    kept, of = map(int, config.downsample_rate.split("/"))
    wide = side // config.vision_config.patch_size * kept // of
    return {
        **text_after(config.image_token_id, 5 * wide**2 + 2 * wide),
        "pixel_values": noise(1, 5, 3, side, side),
        "image_sizes": torch.tensor([[2 * side, 2 * side]]),
    }


def _molmo2(config: Any) -> Inputs:
    """Pool 4 x 4 patches into four tokens, all of one crop."""
    patches = config.vision_config.num_position_embeddings
    pixels = noise(1, patches, 3 * config.vision_config.patch_size**2)
    return {
        **text_after(config.image_token_id, 4),
        "pixel_values": pixels,
        "image_token_pooling": torch.arange(16).reshape(-1, 4),
        "image_grids": torch.tensor([[2, 2, 0, 0]]),
        "image_num_crops": torch.tensor([1]),
    }


def _wide_enough(config: Any) -> Inputs:
    """Make a picture of which something is left after a stride of 32."""
    return {"pixel_values": noise(1, 3, 64, 64)}


def _colqwen2(config: Any) -> Inputs:
    """Put patches padded to a batch, as ColQwen2 does, in the place of four tokens."""
    vision = find(config, "vision_config")
    width = vision.temporal_patch_size * 3 * vision.patch_size**2
    count = patch_count() // vision.spatial_merge_size**2
    joined = text_after(find(config, "image_token_id"), count)
    is_picture = torch.arange(count + token_count())[None] < count
    return {
        **joined,
        "pixel_values": noise(1, patch_count(), width),
        "image_grid_thw": torch.tensor([[1, grid_side(), grid_side()]]),
        "mm_token_type_ids": is_picture.long(),
    }


def _deepseek_vl_hybrid(config: Any) -> Inputs:
    """Give the picture twice, as the two towers see it."""
    low, high = side_of(config.vision_config), side_of(config.high_res_vision_config)
    patches = (low // config.vision_config.patch_size) ** 2
    return {
        **text_after(config.image_token_id, patches),
        "pixel_values": noise(1, 3, low, low),
        "high_res_pixel_values": noise(1, 3, high, high),
    }


def _pi0(config: Any) -> Inputs:
    vision = find(config, "vision_config")
    side, patches = side_of(vision), (side_of(vision) // vision.patch_size) ** 2
    token = find(config, "image_token_id") or find(config, "image_token_index")
    return {
        "state": noise(1, config.max_state_dim),
        "noise": noise(1, config.chunk_size, config.max_action_dim),
        "timestep": torch.tensor([0.5]),
        **text_after(token, patches),
        "pixel_values": noise(1, 1, 3, side, side),
        "pixel_attention_mask": torch.ones(1, 1, dtype=torch.bool),
    }


PICTURES: dict[str, Maker] = {
    "bridgetower_vision_model": _bridgetower_vision,
    "colqwen2": _colqwen2,
    "deepseek_vl_hybrid": _deepseek_vl_hybrid,
    "fuyu": _fuyu,
    "glm_image": _glm_image,
    "granite4_vision": _granite4_vision,
    "idefics": _idefics,
    "inkling_mm_model": _inkling,
    "instructblipvideo": _instructblipvideo,
    "kosmos-2": _kosmos2,
    "kosmos-2.5": _kosmos2_5,
    "lxmert": _lxmert,
    "mask2former": _wide_enough,
    "mllama": _mllama,
    "mllama_vision_model": _tiles,
    "molmo2": _molmo2,
    "omdet-turbo": _omdet,
    "oneformer": _oneformer,
    "pi0": _pi0,
    "pix2struct": _pix2struct,
    "pix2struct_vision_model": _pix2struct_vision,
    "seggpt": _seggpt,
    "visual_bert": _visual_bert,
    "xclip": _xclip,
    "xclip_vision_model": _xclip_vision,
}
