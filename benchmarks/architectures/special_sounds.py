"""Inputs of the architectures that take sounds in a way of their own, by model type."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.architectures.fields import (
    Inputs,
    Maker,
    code_count,
    find,
    in_proportion,
    noise,
    step_count,
    target_count,
    text,
    text_after,
    token_count,
    words,
)


def _clap_audio(config: Any) -> Inputs:
    """Make a sound, as long as the square that it is folded into."""
    frames = config.spec_size**2 // config.num_mel_bins
    return {
        "input_features": noise(1, 1, frames, config.num_mel_bins),
        "is_longer": torch.tensor([[False]]),
    }


def _clap(config: Any) -> Inputs:
    return {**text(), **_clap_audio(config.audio_config)}


def _clvp(config: Any) -> Inputs:
    return {**text(), "input_features": noise(1, config.decoder_config.feature_size, 64)}


def _speech_encoder_decoder(config: Any) -> Inputs:
    return {
        "input_values": noise(1, in_proportion(4000)),
        "decoder_input_ids": words(target_count()),
    }


def _lengths(config: Any) -> Inputs:
    """Make a sound of two windows without a batch, and its length."""
    frames = 4 * config.n_window * min(4, max(1, in_proportion(1)))
    return {
        "input_features": noise(config.num_mel_bins, frames),
        "feature_lens": torch.tensor([frames]),
    }


def _codebooks(config: Any) -> Inputs:
    """Make codes, a row each codebook, and the text that they are made from."""
    return {
        "input_ids": words(code_count(), rows=config.num_codebooks),
        "encoder_hidden_states": noise(1, token_count(), config.hidden_size),
    }


def _music(config: Any) -> Inputs:
    """Make a text, and the codes of its music, a row each codebook."""
    codes = words(code_count(), rows=config.decoder.num_codebooks)
    return {"input_ids": words(token_count()), "decoder_input_ids": codes}


def _dia_decoder(config: Any) -> Inputs:
    return {
        "input_ids": words(code_count() * config.num_channels).reshape(1, code_count(), -1),
        "encoder_hidden_states": noise(1, token_count(), config.cross_hidden_size),
    }


def _dia(config: Any) -> Inputs:
    codes = _dia_decoder(config.decoder_config)["input_ids"]
    return {**text(), "decoder_input_ids": codes}


def _gemma3n_audio(config: Any) -> Inputs:
    frames = 8 * in_proportion(16)
    mask = torch.zeros(1, frames, dtype=torch.bool)
    return {"audio_mel": noise(1, frames, config.input_feat_size), "audio_mel_mask": mask}


def _phi4_audio(config: Any) -> Inputs:
    frames = 8 * in_proportion(16)
    return {
        "hidden_states": noise(1, frames, config.input_size),
        "mask": torch.ones(1, frames, dtype=torch.bool),
    }


def _pe_audio(config: Any) -> Inputs:
    return {**text(), "input_values": noise(1, 1, 16000)}


def _features_and_samples(config: Any) -> Inputs:
    bins = find(config, "num_mel_bins") or find(config, "feature_projection_input_dim") or 160
    return {
        "input_values": noise(1, 1, in_proportion(16000)),
        "input_features": noise(1, in_proportion(50), bins),
    }


def _heard(config: Any) -> Inputs:
    """Make as much sound as there are tokens, which are added to each other."""
    audio = config.audio_config
    frames = 2 * config.downsample_factor * token_count()
    return {**text(), "input_features": noise(1, audio.num_mel_bins, frames)}


def _qwen2_audio(config: Any) -> Inputs:
    """Put a sound, a quarter of its frames, in the place of as many tokens."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    return {
        **text_after(config.audio_token_id, frames // 4),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "feature_attention_mask": torch.ones(1, frames, dtype=torch.long),
    }


def _musicflamingo(config: Any) -> Inputs:
    """Put a sound between its two marks, as a quarter of its frames."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    return {
        **text_after(config.audio_token_id, frames // 4),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "input_features_mask": torch.ones(1, frames, dtype=torch.long),
    }


def _moss_transcribe(config: Any) -> Inputs:
    """Put a sound, half of its frames merged, in the place of as many tokens."""
    audio = config.audio_config
    frames = 2 * audio.max_source_positions
    return {
        **text_after(config.audio_token_id, frames // 2 // config.audio_merge_size),
        "input_features": noise(1, audio.num_mel_bins, frames),
        "input_features_mask": torch.ones(1, frames, dtype=torch.long),
        "padding_mask": torch.ones(1, 100 * frames, dtype=torch.long),
    }


def _fun_asr_encoder(config: Any) -> Inputs:
    mask = torch.ones(1, token_count(), dtype=torch.long)
    return {
        "input_features": noise(1, token_count(), config.input_size),
        "input_features_mask": mask,
    }


def _phi4_multimodal(config: Any) -> Inputs:
    """Put a sound in the place of as many tokens.

    There is no picture: transformers 5.23 hooks the layers of its tower twice, so that the one
    before the last is another one once a pass has returned weights.
    """
    audio, frames = config.audio_config, 8 * in_proportion(16)
    heard = frames // audio.time_reduction
    return {
        **text_after(audio.audio_token_id, heard),
        "audio_input_features": noise(1, frames, audio.input_size),
        "audio_embed_sizes": torch.tensor([heard]),
        "audio_attention_mask": torch.ones(1, frames, dtype=torch.bool),
    }


def _kyutai(config: Any) -> Inputs:
    """Make a word and the codes of a sound at each step."""
    ids = words(token_count() * (config.num_codebooks + 1)).reshape(1, token_count(), -1)
    return {"input_ids": ids, "attention_mask": torch.ones(1, token_count(), dtype=torch.long)}


def _decoded(config: Any) -> Inputs:
    return {"latents": noise(1, config.hidden_size, step_count())}


def _vibevoice(config: Any) -> Inputs:
    """Put a sound in the place of as many tokens, a token each hop."""
    hop, count = config.audio_config.hop_length, 2
    return {
        **text_after(config.audio_token_id, count),
        "input_values": noise(1, 1, count * hop),
        "padding_mask": torch.ones(1, count * hop, dtype=torch.bool),
    }


def _spectrogram(config: Any) -> Inputs:
    return {"spectrogram": noise(1, in_proportion(50), config.model_in_dim)}


def _mel_spectrogram(config: Any) -> Inputs:
    return {"mel_spectrogram": noise(1, config.mel_dim, 50)}


def _inkling_audio(config: Any) -> Inputs:
    return {"audio_input_ids": torch.zeros(1, token_count(), config.n_mel_bins, dtype=torch.long)}


SOUNDS: dict[str, Maker] = {
    "clap": _clap,
    "clap_audio_model": _clap_audio,
    "clvp": _clvp,
    "dia": _dia,
    "dia_decoder": _dia_decoder,
    "fastspeech2_conformer_hifigan": _spectrogram,
    "fun_asr_nano_encoder": _fun_asr_encoder,
    "gemma3n_audio": _gemma3n_audio,
    "inkling_audio": _inkling_audio,
    "kyutai_speech_to_text": _kyutai,
    "mimi_decoder": _decoded,
    "moss_transcribe_diarize": _moss_transcribe,
    "musicflamingo": _musicflamingo,
    "musicgen": _music,
    "musicgen_melody": _music,
    "musicgen_decoder": _codebooks,
    "musicgen_melody_decoder": _codebooks,
    "neucodec": _features_and_samples,
    "pe_audio": _pe_audio,
    "phi4_multimodal": _phi4_multimodal,
    "phi4_multimodal_audio": _phi4_audio,
    "pocket_tts_audio_tokenizer_decoder": _decoded,
    "qwen2_5_omni_audio_encoder": _lengths,
    "qwen2_5_omni_bigvgan": _mel_spectrogram,
    "qwen2_audio": _qwen2_audio,
    "qwen3_omni_moe_audio_encoder": _lengths,
    "speech-encoder-decoder": _speech_encoder_decoder,
    "speecht5_hifigan": _spectrogram,
    "vibevoice": _vibevoice,
    "voxtral_realtime": _heard,
    "xcodec2": _features_and_samples,
}
