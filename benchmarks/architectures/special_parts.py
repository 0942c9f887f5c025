"""Inputs of the parts of models that take what another part made, by model type."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.architectures.fields import (
    Inputs,
    Maker,
    code_count,
    first,
    grid_side,
    noise,
    patch_count,
    step_count,
    text,
    token_count,
    words,
)


def _qformer(config: Any) -> Inputs:
    return {
        "query_embeds": noise(1, step_count(), config.hidden_size),
        "encoder_hidden_states": noise(1, patch_count(), config.encoder_hidden_size),
    }


def _instructed_qformer(config: Any) -> Inputs:
    ids = words()
    return {
        "input_ids": ids,
        "attention_mask": torch.ones(1, step_count() + token_count()),
        **_qformer(config),
    }


def _perceiver_resampler(config: Any) -> Inputs:
    seen = torch.ones(1, patch_count(), dtype=torch.long)
    return {"context": noise(1, patch_count(), config.hidden_size), "attention_mask": seen}


def _molmo2_adapter(config: Any) -> Inputs:
    width = config.hidden_size * len(config.vision_feature_layer)
    pooled = torch.arange(patch_count()).reshape(-1, 4)
    return {"image_features": noise(1, patch_count(), width), "pooled_patches_idx": pooled}


def _molmo2_vision(config: Any) -> Inputs:
    patches = noise(1, config.num_position_embeddings, 3 * config.patch_size**2)
    return {"pixel_values": patches}


def _deepseek_ocr2_encoder(config: Any) -> Inputs:
    return {
        "inputs_embeds": noise(1, 2 * patch_count(), config.hidden_size),
        "num_patches": patch_count(),
    }


def _unlimited_ocr_encoder(config: Any) -> Inputs:
    side = config.image_size // config.patch_size
    return {"patch_embeds": noise(1, config.hidden_size, side, side)}


def _sam3_encoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "vision_features": [noise(1, width, grid_side(), grid_side())],
        "vision_pos_embeds": [noise(1, width, grid_side(), grid_side())],
        "text_features": noise(1, step_count(), width),
    }


def _sam3_decoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "vision_features": noise(1, patch_count(), width),
        "text_features": noise(1, step_count(), width),
        "vision_pos_encoding": noise(1, patch_count(), width),
        "text_mask": torch.ones(1, step_count(), dtype=torch.bool),
        "spatial_shapes": torch.tensor([[grid_side(), grid_side()]]),
    }


def _sam3_mask_decoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "decoder_queries": noise(1, step_count(), width),
        "backbone_features": [noise(1, width, side, side) for side in (16, 8, 4)],
        "encoder_hidden_states": noise(1, patch_count(), width),
        "prompt_features": noise(1, step_count(), width),
    }


def _flava_multimodal(config: Any) -> Inputs:
    return {"hidden_states": noise(1, token_count(), config.hidden_size)}


def _encoded(config: Any) -> Inputs:
    mask = torch.ones(1, patch_count())
    return {"hidden_states": noise(1, patch_count(), config.hidden_size), "attention_mask": mask}


def _bytes_in_patches(config: Any) -> Inputs:
    """Say to which patch each byte belongs, four bytes to a patch."""
    ids = torch.arange(token_count())[None] // 4
    return {"input_ids": words(), "num_patches": token_count() // 4, "patch_ids": ids}


def _bytes_and_patches(config: Any) -> Inputs:
    bytes_, patches = noise(1, token_count(), config.hidden_size), token_count() // 4
    wide = first(config, ("hidden_size_global",), config.hidden_size)
    return {"inputs_embeds": bytes_, "patch_embeds": noise(1, patches, wide)}


def _florence_vision(config: Any) -> Inputs:
    return {"hidden_states": noise(1, config.in_channels, 64, 64)}


def _assistant(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "noise_embeds": noise(1, step_count(), width),
        "context_hidden_states": noise(1, token_count(), width * len(config.target_layer_ids)),
    }


def _inkling_vision(config: Any) -> Inputs:
    """Make one patch of a few frames, its channels last."""
    patch = config.patch_size
    pixels = noise(1, config.temporal_patch_size, patch, patch, config.num_channels)
    return {"pixel_values": pixels}


def _moshi_depth(config: Any) -> Inputs:
    return {
        "input_ids": words(config.num_codebooks),
        "last_hidden_state": noise(1, 1, config.input_size),
    }


def _code_predictor(config: Any) -> Inputs:
    return {"inputs_embeds": noise(1, config.num_code_groups, config.hidden_size)}


def _embedded(config: Any) -> Inputs:
    """Make the states of tokens that another part embeds."""
    mask = torch.ones(1, token_count(), dtype=torch.long)
    return {"inputs_embeds": noise(1, token_count(), config.hidden_size), "attention_mask": mask}


def _read_text(config: Any) -> Inputs:
    return {**text(), "encoder_hidden_states": noise(1, token_count(), config.hidden_size)}


def _timed(config: Any) -> Inputs:
    return {**text(), "t_cond": noise(1, 1, config.hidden_size)}


def _diffused(config: Any) -> Inputs:
    """Make one step of Qwen's diffusion of a mel spectrogram from codes; two frames are a code."""
    frames = 2 * code_count()
    return {
        "hidden_states": noise(1, frames, config.mel_dim),
        "condition_vector": noise(1, frames, config.mel_dim),
        "speaker_embedding": noise(1, 1, config.enc_emb_dim).expand(-1, frames, -1),
        "quantized_code": words(code_count()),
        "time_step": torch.tensor(0.5),
        "apply_cfg": False,
    }


PARTS: dict[str, Maker] = {
    "blip_2_qformer": _qformer,
    "blt_local_decoder": _bytes_and_patches,
    "blt_local_encoder": _bytes_in_patches,
    "deepseek_ocr2_encoder": _deepseek_ocr2_encoder,
    "flava_multimodal_model": _flava_multimodal,
    "florence_vision": _florence_vision,
    "idefics2_perceiver": _perceiver_resampler,
    "inkling_vision": _inkling_vision,
    "instructblip_qformer": _instructed_qformer,
    "instructblipvideo_qformer": _instructed_qformer,
    "kosmos_2_5_vision_model": _encoded,
    "molmo2_adapter": _molmo2_adapter,
    "molmo2_vision": _molmo2_vision,
    "moshi_depth": _moshi_depth,
    "muse_glimmer_assistant": _assistant,
    "qwen2_5_omni_dit": _diffused,
    "qwen3_omni_moe_talker_code_predictor": _code_predictor,
    "qwen3_omni_moe_talker_text": _embedded,
    "sam3_detr_decoder": _sam3_decoder,
    "sam3_detr_encoder": _sam3_encoder,
    "sam3_lite_text_detr_decoder": _sam3_decoder,
    "sam3_lite_text_detr_encoder": _sam3_encoder,
    "sam3_lite_text_mask_decoder": _sam3_mask_decoder,
    "sam3_mask_decoder": _sam3_mask_decoder,
    "t5gemma2_decoder": _read_text,
    "unlimited_ocr_vision_encoder": _unlimited_ocr_encoder,
    "voxtral_realtime_text": _timed,
}
