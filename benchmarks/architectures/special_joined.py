"""What makes the small parts of a model that sees or hears fit each other, by model type."""

from __future__ import annotations

from typing import Any

from benchmarks.architectures.sizes import HEADS, VOCABULARY, WIDTH

# The last word stands for a picture or a sound where a configuration names none.
PLACE = VOCABULARY - 1

SEEN = {"image_token_id": PLACE}

# Pictures of two tiles and of two by two, each tile 32 pixels a side.
TILES = {"image_grid_pinpoints": [[32, 64], [64, 32], [64, 64]]}

# Four patches of a sound are stacked, and the projector is as wide as what it takes them from.
STACKED = {"intermediate_size": 4 * WIDTH}

# Of 4 x 4 patches, each 2 x 2 become a token.
POOLED = {"mm_tokens_per_image": 4}

# The code says that a hundred frames are thirteen tokens, whatever the window.
HUNDREDS = {"output_dim": WIDTH, "n_window": 50, "n_window_infer": 100}

# Marks before and after pictures and sounds, by which Qwen's thinkers count positions.
MARKS = {
    "vision_start_token_id": 110,
    "vision_end_token_id": 111,
    "audio_start_token_id": 112,
    "audio_end_token_id": 113,
}

# Parts that a configuration leaves out unless it is told of them, by their model types.
LEFT_OUT: dict[str, dict[str, str]] = {
    "gemma4": {"vision_config": "gemma4_vision", "audio_config": "gemma4_audio"},
    "gemma4_unified": {
        "vision_config": "gemma4_unified_vision",
        "audio_config": "gemma4_unified_audio",
    },
    "embedding_gemma2": {"vision_config": "gemma4_vision", "audio_config": "gemma4_audio"},
    "nemotron_h_omni": {"audio_config": "parakeet_encoder"},
}

JOINED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("minicpm_ocr", "minicpmv4_6", "minicpmv4_7"), SEEN),
    **dict.fromkeys(("llava_next", "llava_next_video", "llava_onevision"), TILES),
    **dict.fromkeys(("gemma3", "shieldgemma2", "t5gemma2_encoder"), POOLED),
    **dict.fromkeys(("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"), MARKS),
    **dict.fromkeys(("glmasr_encoder", "voxtral_encoder"), STACKED),
    **dict.fromkeys(("qwen3_asr_encoder", "qwen3_omni_moe_audio_encoder"), HUNDREDS),
    "qwen2_5_omni_audio_encoder": {"output_dim": WIDTH},
    "aria": {"projector_patch_to_query_dict": {16: 4}},
    "deepseek_vl_hybrid": {"high_res_vision_config": {"global_attn_indexes": [1]}},
    # The first number of channels is the number of frequencies, too.
    "gemma4_audio": {"output_proj_dims": WIDTH, "subsampling_conv_channels": [80, WIDTH]},
    "gemma4_unified_vision": {"mm_embed_dim": WIDTH, "output_proj_dims": WIDTH},
    "glm_image": {"vq_config": {"latent_channels": WIDTH, "num_embeddings": 16}},
    "kimi_k25": {"projection_hidden_size": WIDTH},
    "kosmos-2.5": {"latent_query_num": 4},
    "mllama": {"text_config": {"cross_attention_layers": [1]}},
    # What it gives is the last layer beside two others.
    "mllama_vision_model": {
        "intermediate_layers_indices": [0, 1],
        "num_global_layers": 1,
        "vision_output_dim": 3 * WIDTH,
    },
    # Four patches merge, and the projector takes all of them.
    "muse_glimmer": {"out_hidden_size": 4 * WIDTH},
    "muse_spark": {"out_hidden_size": 4 * WIDTH},
    "nemotron3_diarization_audio": {"num_key_value_heads": HEADS},
    "nemotron_h_omni": {
        **SEEN,
        "audio_token_id": PLACE - 1,
        "audio_config": {"projection_hidden_size": WIDTH, "projection_bias": False},
        "vision_config": {"video_temporal_patch_size": 2},
    },
    "omdet-turbo": {
        "backbone_config": {
            "model_type": "swin",
            "image_size": 64,
            "patch_size": 4,
            "window_size": 4,
            "embed_dim": 16,
            "depths": [1, 1, 1],
            "num_heads": [2, 2, 4],
            "out_indices": [1, 2, 3],
        },
        # It is for the towers of timm, whose channels come last.
        "apply_layernorm_after_vision_backbone": False,
        "text_projection_in_dim": WIDTH,
        "text_projection_out_dim": WIDTH,
        "class_embed_dim": WIDTH,
        "task_encoder_hidden_dim": 48,
        "encoder_hidden_dim": 2 * WIDTH,
        # The same number by its other name, which has a size of its own.
        "d_model": 2 * WIDTH,
        # Where it is as wide as a class, the task is not projected and the code fails.
        "decoder_hidden_dim": 2 * WIDTH,
        "vision_features_channels": [2 * WIDTH] * 3,
        "encoder_in_channels": [16, 32, 64],
        "decoder_dim_feedforward": 48,
        "encoder_dim_feedforward": 48,
    },
    "phi4_multimodal_audio": {
        "num_blocks": 2,
        "ext_pw_out_channel": WIDTH,
        "depthwise_separable_out_channel": WIDTH,
        "nemo_conv_channels": WIDTH,
    },
    "seggpt": {"image_size": [64, 32]},
    "vipllava": {"vision_feature_layers": [-1, -2]},
    "voxtral": {"audio_token_id": PLACE},
}
