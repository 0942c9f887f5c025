"""Inputs of the architectures that take something of their own, by model type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.architectures.fields import find, first, noise

TOKENS = 24

# How much there is of what is not words: frames of a film, patches, steps, regions of a picture.
PATCHES = 16
STEPS = 8
CODES = 12

Inputs = dict[str, Any]
Maker = Callable[[Any], Inputs]


def special_inputs(config: Any) -> Inputs | None:
    """Make the inputs of a model type that the general rules do not reach; None for the others."""
    make = MAKERS.get(config.model_type)
    return None if make is None else make(config)


def words(count: int = TOKENS, *, rows: int = 1) -> Tensor:
    """Make token ids, none of which is special."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(20, 60, (rows, count), generator=generator)


def _text(count: int = TOKENS) -> Inputs:
    ids = words(count)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _side(config: Any) -> int:
    return int(first(config, ("image_size",), 32))


# Pictures beside a text


def _idefics(config: Any) -> Inputs:
    side = _side(config.vision_config)
    seen = torch.ones(1, TOKENS, 1, dtype=torch.long)
    return {**_text(), "pixel_values": noise(1, 1, 3, side, side), "image_attention_mask": seen}


def _kosmos2(config: Any) -> Inputs:
    """Leave room before the words for the latents that a picture becomes."""
    side, latents = _side(config.vision_config), config.latent_query_num
    text = _text(latents + TOKENS)
    place = torch.zeros_like(text["input_ids"])
    place[:, :latents] = 1
    pixels = noise(1, 3, side, side)
    return {**text, "pixel_values": pixels, "image_embeds_position_mask": place}


def _kosmos2_5(config: Any) -> Inputs:
    """Leave room for the latents, as in KOSMOS-2; the picture is patches that know their places."""
    latents = config.latent_query_num
    text = _text(latents + TOKENS)
    place = torch.zeros_like(text["input_ids"])
    place[:, :latents] = 1
    patches = _flattened(config.vision_config.patch_embed_hidden_size)
    return {**text, "flattened_patches": patches, "image_embeds_position_mask": place}


def _flattened(width: int) -> Tensor:
    """Make patches of which each says its row and its column first, both from 1."""
    places = torch.cartesian_prod(torch.arange(1, 5), torch.arange(1, 5)).float()
    return torch.cat([places[None], noise(1, PATCHES, width)], dim=-1)


def _pix2struct_vision(config: Any) -> Inputs:
    patches = _flattened(config.patch_embed_hidden_size)
    return {"flattened_patches": patches, "attention_mask": torch.ones(1, PATCHES)}


def _pix2struct(config: Any) -> Inputs:
    return {**_pix2struct_vision(config.vision_config), "decoder_input_ids": words(7)}


def _tiles(vision: Any) -> Inputs:
    """Cut a picture into all the tiles that Llama 3.2 takes."""
    tiles, side = vision.max_num_tiles, _side(vision)
    return {
        "pixel_values": noise(1, 1, tiles, vision.num_channels, side, side),
        "aspect_ratio_ids": torch.tensor([[len(vision.supported_aspect_ratios)]]),
        "aspect_ratio_mask": torch.ones(1, 1, tiles, dtype=torch.long),
    }


def _mllama(config: Any) -> Inputs:
    picture = _tiles(config.vision_config)
    seen = torch.ones(1, TOKENS, 1, config.vision_config.max_num_tiles, dtype=torch.long)
    return {**_text(), **picture, "cross_attention_mask": seen}


def _lxmert(config: Any) -> Inputs:
    return {
        **_text(),
        "visual_feats": noise(1, PATCHES, config.visual_feat_dim),
        "visual_pos": noise(1, PATCHES, config.visual_pos_dim).sigmoid(),
    }


def _visual_bert(config: Any) -> Inputs:
    kind = torch.ones(1, PATCHES, dtype=torch.long)
    regions = noise(1, PATCHES, config.visual_embedding_dim)
    return {
        **_text(),
        "visual_embeds": regions,
        "visual_token_type_ids": kind,
        "visual_attention_mask": kind,
    }


def _instructblipvideo(config: Any) -> Inputs:
    frames, side = 2, _side(config.vision_config)
    places = torch.full((1, frames * config.num_query_tokens), config.video_token_id or 0)
    ids = torch.cat([places, words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "qformer_input_ids": words(STEPS),
        "pixel_values": noise(1, frames, 3, side, side),
    }


def _xclip(config: Any) -> Inputs:
    vision = config.vision_config
    side = _side(vision)
    return {**_text(), "pixel_values": noise(1, vision.num_frames, 3, side, side)}


def _xclip_vision(config: Any) -> Inputs:
    side = _side(config)
    return {"pixel_values": noise(config.num_frames, 3, side, side)}


def _oneformer(config: Any) -> Inputs:
    return {"pixel_values": noise(1, 3, 64, 64), "task_inputs": words(config.task_seq_len)}


def _seggpt(config: Any) -> Inputs:
    """Make the picture and the prompt, which are laid on top of each other."""
    high, wide = config.image_size
    half = (1, 3, high // 2, wide)
    return {name: noise(*half) for name in ("pixel_values", "prompt_pixel_values", "prompt_masks")}


def _fuyu(config: Any) -> Inputs:
    """Put a row of patches in the place of as many tokens."""
    patches = noise(1, PATCHES, config.num_channels * config.patch_size**2)
    ids = torch.cat([torch.full((1, PATCHES), config.image_token_id), words()], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": patches}


def _colqwen2(config: Any) -> Inputs:
    """Put patches padded to a batch, as ColQwen2 does, in the place of four tokens."""
    vision = find(config, "vision_config")
    width = vision.temporal_patch_size * 3 * vision.patch_size**2
    tokens = torch.full(
        (1, PATCHES // vision.spatial_merge_size**2), find(config, "image_token_id")
    )
    ids = torch.cat([tokens, words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": noise(1, PATCHES, width),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "mm_token_type_ids": torch.cat([tokens * 0 + 1, words() * 0], dim=1),
    }


def _deepseek_vl_hybrid(config: Any) -> Inputs:
    """Give the picture twice, as the two towers see it."""
    low, high = _side(config.vision_config), _side(config.high_res_vision_config)
    patches = (low // config.vision_config.patch_size) ** 2
    ids = torch.cat([torch.full((1, patches), config.image_token_id), words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": noise(1, 3, low, low),
        "high_res_pixel_values": noise(1, 3, high, high),
    }


# Parts that take what another part made


def _qformer(config: Any) -> Inputs:
    return {
        "query_embeds": noise(1, STEPS, config.hidden_size),
        "encoder_hidden_states": noise(1, PATCHES, config.encoder_hidden_size),
    }


def _instructed_qformer(config: Any) -> Inputs:
    ids = words()
    return {"input_ids": ids, "attention_mask": torch.ones(1, STEPS + TOKENS), **_qformer(config)}


def _perceiver_resampler(config: Any) -> Inputs:
    seen = torch.ones(1, PATCHES, dtype=torch.long)
    return {"context": noise(1, PATCHES, config.hidden_size), "attention_mask": seen}


def _molmo2_adapter(config: Any) -> Inputs:
    width = config.hidden_size * len(config.vision_feature_layer)
    pooled = torch.arange(PATCHES).reshape(-1, 4)
    return {"image_features": noise(1, PATCHES, width), "pooled_patches_idx": pooled}


def _molmo2_vision(config: Any) -> Inputs:
    patches = noise(1, config.num_position_embeddings, 3 * config.patch_size**2)
    return {"pixel_values": patches}


def _deepseek_ocr2_encoder(config: Any) -> Inputs:
    return {"inputs_embeds": noise(1, 2 * PATCHES, config.hidden_size), "num_patches": PATCHES}


def _unlimited_ocr_encoder(config: Any) -> Inputs:
    side = config.image_size // config.patch_size
    return {"patch_embeds": noise(1, config.hidden_size, side, side)}


def _sam3_encoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "vision_features": [noise(1, width, 4, 4)],
        "vision_pos_embeds": [noise(1, width, 4, 4)],
        "text_features": noise(1, STEPS, width),
    }


def _sam3_decoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "vision_features": noise(1, PATCHES, width),
        "text_features": noise(1, STEPS, width),
        "vision_pos_encoding": noise(1, PATCHES, width),
        "text_mask": torch.ones(1, STEPS, dtype=torch.bool),
        "spatial_shapes": torch.tensor([[4, 4]]),
    }


def _sam3_mask_decoder(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "decoder_queries": noise(1, STEPS, width),
        "backbone_features": [noise(1, width, side, side) for side in (16, 8, 4)],
        "encoder_hidden_states": noise(1, PATCHES, width),
        "prompt_features": noise(1, STEPS, width),
    }


# Sounds


def _clap_audio(config: Any) -> Inputs:
    """Make a sound, as long as the square that it is folded into."""
    frames = config.spec_size**2 // config.num_mel_bins
    return {
        "input_features": noise(1, 1, frames, config.num_mel_bins),
        "is_longer": torch.tensor([[False]]),
    }


def _clap(config: Any) -> Inputs:
    return {**_text(), **_clap_audio(config.audio_config)}


def _clvp(config: Any) -> Inputs:
    return {**_text(), "input_features": noise(1, config.decoder_config.feature_size, 64)}


def _speech_encoder_decoder(config: Any) -> Inputs:
    return {"input_values": noise(1, 4000), "decoder_input_ids": words(7)}


def _lengths(config: Any) -> Inputs:
    """Make a sound of two windows without a batch, and its length."""
    frames = 4 * config.n_window
    return {
        "input_features": noise(config.num_mel_bins, frames),
        "feature_lens": torch.tensor([frames]),
    }


def _codebooks(config: Any) -> Inputs:
    """Make codes, a row each codebook, and the text that they are made from."""
    return {
        "input_ids": words(CODES, rows=config.num_codebooks),
        "encoder_hidden_states": noise(1, TOKENS, config.hidden_size),
    }


def _dia_decoder(config: Any) -> Inputs:
    return {
        "input_ids": words(CODES * config.num_channels).reshape(1, CODES, -1),
        "encoder_hidden_states": noise(1, TOKENS, config.cross_hidden_size),
    }


def _dia(config: Any) -> Inputs:
    codes = _dia_decoder(config.decoder_config)["input_ids"]
    return {**_text(), "decoder_input_ids": codes}


def _moshi_depth(config: Any) -> Inputs:
    return {
        "input_ids": words(config.num_codebooks),
        "last_hidden_state": noise(1, 1, config.input_size),
    }


def _code_predictor(config: Any) -> Inputs:
    return {"inputs_embeds": noise(1, config.num_code_groups, config.hidden_size)}


def _gemma3n_audio(config: Any) -> Inputs:
    mask = torch.zeros(1, 128, dtype=torch.bool)
    return {"audio_mel": noise(1, 128, config.input_feat_size), "audio_mel_mask": mask}


def _phi4_audio(config: Any) -> Inputs:
    return {
        "hidden_states": noise(1, 128, config.input_size),
        "mask": torch.ones(1, 128, dtype=torch.bool),
    }


def _pe_audio(config: Any) -> Inputs:
    return {**_text(), "input_values": noise(1, 1, 16000)}


def _features_and_samples(config: Any) -> Inputs:
    bins = find(config, "num_mel_bins") or find(config, "feature_projection_input_dim") or 160
    return {"input_values": noise(1, 1, 16000), "input_features": noise(1, 50, bins)}


def _heard(config: Any) -> Inputs:
    """Make as much sound as there are tokens, which are added to each other."""
    audio = config.audio_config
    frames = 2 * config.downsample_factor * TOKENS
    return {**_text(), "input_features": noise(1, audio.num_mel_bins, frames)}


def _qwen2_audio(config: Any) -> Inputs:
    """Put a sound, a quarter of its frames, in the place of as many tokens."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    heard = torch.full((1, frames // 4), config.audio_token_id)
    ids = torch.cat([heard, words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "feature_attention_mask": torch.ones(1, frames, dtype=torch.long),
    }


def _musicflamingo(config: Any) -> Inputs:
    """Put a sound between its two marks, as a quarter of its frames."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    heard = torch.full((1, frames // 4), config.audio_token_id)
    ids = torch.cat([heard, words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "input_features_mask": torch.ones(1, frames, dtype=torch.long),
    }


def _moss_transcribe(config: Any) -> Inputs:
    """Put a sound, half of its frames merged, in the place of as many tokens."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    heard = torch.full((1, frames // 2 // config.audio_merge_size), config.audio_token_id)
    ids = torch.cat([heard, words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "input_features_mask": torch.ones(1, frames, dtype=torch.long),
        "padding_mask": torch.ones(1, 100 * frames, dtype=torch.long),
    }


def _fun_asr_encoder(config: Any) -> Inputs:
    mask = torch.ones(1, TOKENS, dtype=torch.long)
    return {"input_features": noise(1, TOKENS, config.input_size), "input_features_mask": mask}


def _phi4_multimodal(config: Any) -> Inputs:
    """Put a sound in the place of as many tokens.

    There is no picture: transformers 5.23 hooks the layers of its tower twice, so that the one
    before the last is another one once a pass has returned weights.
    """
    audio, frames = config.audio_config, 128
    heard = frames // audio.time_reduction
    ids = torch.cat([torch.full((1, heard), audio.audio_token_id), words()], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "audio_input_features": noise(1, frames, audio.input_size),
        "audio_embed_sizes": torch.tensor([heard]),
        "audio_attention_mask": torch.ones(1, frames, dtype=torch.bool),
    }


def _spectrogram(config: Any) -> Inputs:
    return {"spectrogram": noise(1, 50, config.model_in_dim)}


def _mel_spectrogram(config: Any) -> Inputs:
    return {"mel_spectrogram": noise(1, config.mel_dim, 50)}


def _inkling_vision(config: Any) -> Inputs:
    """Make one patch of a few frames, its channels last."""
    patch = config.patch_size
    pixels = noise(1, config.temporal_patch_size, patch, patch, config.num_channels)
    return {"pixel_values": pixels}


def _inkling_audio(config: Any) -> Inputs:
    return {"audio_input_ids": torch.zeros(1, TOKENS, config.n_mel_bins, dtype=torch.long)}


# Others


def _canine(config: Any) -> Inputs:
    return _text(2 * TOKENS)


def _flava_multimodal(config: Any) -> Inputs:
    return {"hidden_states": noise(1, TOKENS, config.hidden_size)}


def _decision_transformer(config: Any) -> Inputs:
    return {
        "states": noise(1, STEPS, config.state_dim),
        "actions": noise(1, STEPS, config.act_dim),
        "rewards": noise(1, STEPS, 1),
        "returns_to_go": noise(1, STEPS, 1),
        "timesteps": torch.arange(STEPS)[None],
        "attention_mask": torch.ones(1, STEPS, dtype=torch.long),
    }


def _florence_vision(config: Any) -> Inputs:
    return {"hidden_states": noise(1, config.in_channels, 64, 64)}


def _xmod(config: Any) -> Inputs:
    return {**_text(), "lang_ids": torch.tensor([0])}


def _evolla(config: Any) -> Inputs:
    """Give a protein beside the text about it."""
    protein = torch.arange(5, 5 + PATCHES)[None]
    mask = torch.ones_like(protein)
    return {**_text(), "protein_input_ids": protein, "protein_attention_mask": mask}


def _encoded(config: Any) -> Inputs:
    mask = torch.ones(1, PATCHES)
    return {"hidden_states": noise(1, PATCHES, config.hidden_size), "attention_mask": mask}


def _bytes_in_patches(config: Any) -> Inputs:
    """Say to which patch each byte belongs, four bytes to a patch."""
    ids = torch.arange(TOKENS)[None] // 4
    return {"input_ids": words(), "num_patches": TOKENS // 4, "patch_ids": ids}


def _bytes_and_patches(config: Any) -> Inputs:
    bytes_, patches = noise(1, TOKENS, config.hidden_size), TOKENS // 4
    wide = first(config, ("hidden_size_global",), config.hidden_size)
    return {"inputs_embeds": bytes_, "patch_embeds": noise(1, patches, wide)}


def _diffused(config: Any) -> Inputs:
    """Make one step of Qwen's diffusion of a mel spectrogram from codes; two frames are a code."""
    frames = 2 * CODES
    return {
        "hidden_states": noise(1, frames, config.mel_dim),
        "condition_vector": noise(1, frames, config.mel_dim),
        "speaker_embedding": noise(1, 1, config.enc_emb_dim).expand(-1, frames, -1),
        "quantized_code": words(CODES),
        "time_step": torch.tensor(0.5),
        "apply_cfg": False,
    }


def _rag(config: Any) -> Inputs:
    """Give the documents that a retriever would have found."""
    found = words(2 * TOKENS, rows=config.n_docs)
    return {
        **_text(),
        "context_input_ids": found,
        "context_attention_mask": torch.ones_like(found),
        "doc_scores": noise(1, config.n_docs),
        "decoder_input_ids": words(7),
    }


def _timesfm(config: Any) -> Inputs:
    past = noise(1, STEPS * config.patch_length)
    padding = torch.zeros_like(past, dtype=torch.long)
    return {"past_values": past, "past_values_padding": padding, "freq": torch.tensor([[0]])}


def _timesfm2_5(config: Any) -> Inputs:
    past = noise(1, STEPS * config.patch_length)
    return {"past_values": past, "past_values_padding": torch.zeros_like(past, dtype=torch.long)}


def _jev(config: Any) -> Inputs:
    return {
        "input_ids": words(),
        "marks": torch.tensor([[8, 16]]),
        "num_options": torch.tensor([[2, 2]]),
        "question_type_ids": torch.tensor([[0, 0]]),
    }


def _pi0(config: Any) -> Inputs:
    vision = find(config, "vision_config")
    side, patches = _side(vision), (_side(vision) // vision.patch_size) ** 2
    token = find(config, "image_token_id") or find(config, "image_token_index")
    ids = torch.cat([torch.full((1, patches), token), words()], dim=1)
    return {
        "state": noise(1, config.max_state_dim),
        "noise": noise(1, config.chunk_size, config.max_action_dim),
        "timestep": torch.tensor([0.5]),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": noise(1, 1, 3, side, side),
        "pixel_attention_mask": torch.ones(1, 1, dtype=torch.bool),
    }


def _assistant(config: Any) -> Inputs:
    width = config.hidden_size
    return {
        "noise_embeds": noise(1, STEPS, width),
        "context_hidden_states": noise(1, TOKENS, width * len(config.target_layer_ids)),
    }


MAKERS: dict[str, Maker] = {
    "EvollaModel": _evolla,
    "blip_2_qformer": _qformer,
    "blt_local_decoder": _bytes_and_patches,
    "blt_local_encoder": _bytes_in_patches,
    "canine": _canine,
    "clap": _clap,
    "clap_audio_model": _clap_audio,
    "clvp": _clvp,
    "colqwen2": _colqwen2,
    "decision_transformer": _decision_transformer,
    "deepseek_ocr2_encoder": _deepseek_ocr2_encoder,
    "deepseek_vl_hybrid": _deepseek_vl_hybrid,
    "dia": _dia,
    "dia_decoder": _dia_decoder,
    "evolla": _evolla,
    "fastspeech2_conformer_hifigan": _spectrogram,
    "flava_multimodal_model": _flava_multimodal,
    "florence_vision": _florence_vision,
    "fun_asr_nano_encoder": _fun_asr_encoder,
    "fuyu": _fuyu,
    "gemma3n_audio": _gemma3n_audio,
    "idefics": _idefics,
    "idefics2_perceiver": _perceiver_resampler,
    "inkling_vision": _inkling_vision,
    "inkling_audio": _inkling_audio,
    "instructblip_qformer": _instructed_qformer,
    "instructblipvideo": _instructblipvideo,
    "instructblipvideo_qformer": _instructed_qformer,
    "jev": _jev,
    "kosmos-2": _kosmos2,
    "kosmos-2.5": _kosmos2_5,
    "kosmos_2_5_vision_model": _encoded,
    "lxmert": _lxmert,
    "mllama": _mllama,
    "mllama_vision_model": _tiles,
    "molmo2_adapter": _molmo2_adapter,
    "molmo2_vision": _molmo2_vision,
    "moshi_depth": _moshi_depth,
    "moss_transcribe_diarize": _moss_transcribe,
    "muse_glimmer_assistant": _assistant,
    "musicflamingo": _musicflamingo,
    "musicgen_decoder": _codebooks,
    "musicgen_melody_decoder": _codebooks,
    "neucodec": _features_and_samples,
    "oneformer": _oneformer,
    "pe_audio": _pe_audio,
    "phi4_multimodal": _phi4_multimodal,
    "phi4_multimodal_audio": _phi4_audio,
    "pi0": _pi0,
    "pix2struct": _pix2struct,
    "pix2struct_vision_model": _pix2struct_vision,
    "qwen2_5_omni_audio_encoder": _lengths,
    "qwen2_5_omni_bigvgan": _mel_spectrogram,
    "qwen2_5_omni_dit": _diffused,
    "qwen2_audio": _qwen2_audio,
    "qwen3_omni_moe_audio_encoder": _lengths,
    "qwen3_omni_moe_talker_code_predictor": _code_predictor,
    "rag": _rag,
    "sam3_detr_decoder": _sam3_decoder,
    "sam3_detr_encoder": _sam3_encoder,
    "sam3_lite_text_detr_decoder": _sam3_decoder,
    "sam3_lite_text_detr_encoder": _sam3_encoder,
    "sam3_lite_text_mask_decoder": _sam3_mask_decoder,
    "sam3_mask_decoder": _sam3_mask_decoder,
    "seggpt": _seggpt,
    "speech-encoder-decoder": _speech_encoder_decoder,
    "speecht5_hifigan": _spectrogram,
    "timesfm": _timesfm,
    "timesfm2_5": _timesfm2_5,
    "unlimited_ocr_vision_encoder": _unlimited_ocr_encoder,
    "visual_bert": _visual_bert,
    "voxtral_realtime": _heard,
    "xclip": _xclip,
    "xclip_vision_model": _xclip_vision,
    "xcodec2": _features_and_samples,
    "xmod": _xmod,
}
