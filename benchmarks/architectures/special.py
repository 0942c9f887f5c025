"""What the rule for small configurations gets wrong, by model type."""

from __future__ import annotations

from typing import Any

from benchmarks.architectures.sizes import HEADS, VOCABULARY, WIDTH
from benchmarks.architectures.special_joined import JOINED, TILES

ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
FORECAST = {
    "prediction_length": 4,
    "context_length": 12,
    "lags_sequence": [1, 2],
    "num_time_features": 1,
    # Two lags, one feature of the time, and the scale and its logarithm.
    "feature_size": 5,
}
# Windows of 4 x 4 patches of 4 pixels in a picture of 32: four, and one after they merge.
WINDOWS = {
    "image_size": 32,
    "patch_size": 4,
    "window_size": 4,
    "depths": [2, 1],
    "num_heads": [2, 4],
    "embed_dim": 16,
}
ON_SWIN = {
    "backbone_config": {
        "depths": [2, 1, 1, 1],
        "num_heads": [2, 2, 4, 4],
        "out_indices": [1, 2, 3, 4],
    }
}
RESNET = {
    "model_type": "resnet",
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64, 128],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
    "out_indices": [4],
}
ON_RESNET = {"backbone_config": RESNET}
ON_THREE_STAGES = {
    "encoder_in_channels": [32, 64, 128],
    "decoder_in_channels": [WIDTH] * 3,
    "x4_feat_dim": 16,
}
EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1}
# One window holds two by two patches.
WINDOWS_AND_FULL = {"window_size": 16, "fullatt_block_indexes": [1]}
SLIDING_AND_FULL = {
    "num_hidden_layers": 2,
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": 8,
}

LONG_FORECAST = {"prediction_length": 24, "context_length": 300}
# A picture of 224 pixels is 14 x 14 patches.
POOLED_BY_TWO = {"mm_tokens_per_image": 49}

# 32 x 32 patches, of which 4 x 4 become a token.
SHUFFLED_BY_FOUR = {"vision_config": {"image_size": 512}}

# What is said beside the defaults where the default geometry is asked for: some defaults fit no
# input, or leave out what a user has to say.
BY_DEFAULT: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("informer", "autoformer", "time_series_transformer"), LONG_FORECAST),
    **dict.fromkeys(("gemma3", "shieldgemma2", "t5gemma2_encoder"), POOLED_BY_TWO),
    "aria": {"vision_config": {"image_size": 490, "patch_size": 14}},
    "modernvbert": SHUFFLED_BY_FOUR,
    "colmodernvbert": {"vlm_config": SHUFFLED_BY_FOUR},
}

# For a nested configuration, what is said here is put over what the rule makes of it, unless it
# names another model type.
SPECIAL: dict[str, dict[str, Any]] = {
    **JOINED,
    **dict.fromkeys(("informer", "autoformer", "time_series_transformer"), FORECAST),
    **dict.fromkeys(("swin", "swinv2", "donut-swin"), WINDOWS),
    **dict.fromkeys(("mask2former", "maskformer", "oneformer"), ON_SWIN),
    **dict.fromkeys(("detr", "conditional_detr", "dab-detr", "table-transformer"), ON_RESNET),
    **dict.fromkeys(("rt_detr", "rt_detr_v2", "d_fine", "deimv2"), ON_THREE_STAGES),
    **dict.fromkeys(("pp_doclayout_v3", "pp_doclayout_v4"), ON_THREE_STAGES),
    "musicgen_decoder": {"num_codebooks": 1},
    "musicgen_melody_decoder": {"num_codebooks": 1},
    "kimi_linear": {"linear_num_heads": 2, "linear_head_dim": 16},
    "eomt": {"num_blocks": 1},
    "eomt_dinov3": {"num_blocks": 1},
    "t5gemma2_text": {"dropout_rate": 0.0},
    "t5gemma2_decoder": {"dropout_rate": 0.0},
    "deformable_detr": {"backbone_config": {**RESNET, "out_indices": [2, 3, 4]}},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "zamba": {
        "num_hidden_layers": 4,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "use_mamba_kernels": False,
    },
    "bamba": {"attn_layer_indices": [1]},
    "granitemoehybrid": {
        "num_hidden_layers": 2,
        "layer_types": ["linear_attention", "full_attention"],
        "position_embedding_type": "rope",
    },
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "falcon": {"new_decoder_architecture": True},
    "reformer": {"is_decoder": True, "axial_pos_shape": [4, 6], "axial_pos_embds_dim": [16, 16]},
    "nemotron": {"num_key_value_heads": 2},
    "moonshine_streaming": {"num_key_value_heads": HEADS},
    "granite_speech5_encoder": {"num_key_value_heads": HEADS, "context_size": 8},
    "xmod": {"default_language": "en_XX"},
    "esm": {
        "vocab_size": VOCABULARY,
        "pad_token_id": 1,
        "mask_token_id": 8,
        "position_embedding_type": "rotary",
    },
    "dbrx": {"attn_config": {"rope_theta": 10_000.0, "kv_n_heads": 2, "clip_qkv": 8.0}},
    "deepseek_v2": EXPERTS,
    "deepseek_ocr2_text": {**EXPERTS, "mlp_layer_types": ["dense", "sparse"]},
    "dots1": {**EXPERTS, **SLIDING_AND_FULL},
    "laguna": SLIDING_AND_FULL,
    "step3p5": SLIDING_AND_FULL,
    "cohere_compass_text": {
        **SLIDING_AND_FULL,
        "rope_parameters": {
            kind: {**ROPE, "mrope_section": [2, 1, 1]}
            for kind in ("sliding_attention", "full_attention")
        },
    },
    "diffusion_gemma_text": {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 48},
    "dots3_note_audio_encoder": {
        "num_key_value_heads": HEADS,
        "adapter_input_size": WIDTH,
        "adapter_out_dim": WIDTH,
        "downsample_hidden_size": 16,
    },
    "dots3_note_vision_encoder": {
        "adapter_in_dim": WIDTH,
        "adapter_out_dim": WIDTH,
    },
    # Height and width take turns, so that they have the same number of frequencies.
    "ernie4_5_vl_moe_text": {"rope_parameters": {**ROPE, "mrope_section": [1, 1, 2]}},
    "fun_asr_nano": {"adaptor_config": {"intermediate_size": WIDTH // 4}},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "intermediate_size": [48] * 4,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0, 0.0],
        "laurel_rank": 8,
    },
    "chameleon": {
        "vq_config": {
            "num_embeddings": 16,
            "base_channels": 32,
            "embed_dim": 32,
            "latent_channels": 32,
        },
        "vocabulary_map": {
            "<image>": 90,
            **{f"IMGIMG{''.join(chr(65 + int(d)) for d in str(i))}Z": 91 + i for i in range(16)},
        },
    },
    "emu3": {
        "vq_config": {"codebook_size": 16, "base_channels": 32},
        "vocabulary_map": {
            "<image>": 90,
            "<|extra_200|>": 91,
            **{f"<|visual token {i:06d}|>": 92 + i for i in range(16)},
        },
    },
    "granite4_vision": {
        **TILES,
        "deepstack_layer_map": [[-1, 0]],
        "spatial_target_layers": [1],
        "downsample_rate": "2/4",
        "vision_config": {"hidden_size": 128},
    },
    "janus_vqgan": {"base_channels": 32},
    "moshi_depth": {"num_codebooks": 24},
    "molmo2": {"image_token_id": 119, "adapter_config": {"vision_feature_layer": [1, 0]}},
    "molmo2_adapter": {"vision_feature_layer": [1, 0]},
    "muse_spark_audio": {"num_hidden_layers": 4},
    "pix2struct_text_model": {"initializer_range": 0.02},
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 48},
    "qwen4_exp_text": {
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
        "indexer_head_dim": 8,
        "indexer_kv_heads": 1,
        "indexer_n_heads": 2,
    },
    "vitpose_backbone": {"part_features": 8},
    # The patches of four fields make one after the pixels are shuffled.
    "llama4_vision_model": {
        "intermediate_size": 4 * WIDTH,
        "projector_input_dim": WIDTH,
        "projector_output_dim": WIDTH,
    },
    "hgnet_v2": {
        "stem_channels": [3, 16, 16],
        "stage_in_channels": [16, 16, 32, 64],
        "stage_mid_channels": [8, 8, 8, 8],
        "stage_out_channels": [16, 32, 64, 128],
        "stage_numb_of_layers": [2, 2, 2, 2],
    },
    # A picture of 128 makes 32 x 32, then 16, 8 and 4 patches a side.
    "sam2_hiera_det_model": {
        "image_size": [128, 128],
        "hidden_size": 16,
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads": 1,
        "num_attention_heads_per_stage": [1, 2, 4, 4],
        "blocks_per_stage": [1, 2, 3, 1],
        "global_attention_blocks": [5],
        "window_size_per_stage": [8, 4, 4, 2],
    },
    "sam2_vision_model": {
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    },
    "sam2": {"prompt_encoder_config": {"image_size": 128, "patch_size": 16}},
    # Its first and its last layer are convolutions.
    "sam3_lite_text_text_model": {"num_hidden_layers": 4},
    "sam3_vision_model": {"backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
    "vits": {"upsample_initial_channel": 64, "prior_encoder_num_flows": 1},
    "gpt_neo": {"window_size": 8},
    "pegasus_x": {"block_size": 8},
    # Shorter texts than eleven blocks are attended to in full.
    "big_bird": {"block_size": 2},
    "bigbird_pegasus": {"block_size": 2},
    **dict.fromkeys(
        ("qwen2_5_vl_vision", "qwen2_5_omni_vision_encoder", "exaone4_5_vision"),
        WINDOWS_AND_FULL,
    ),
    "mistral4": {"head_dim": 8},
    "esmc": {"num_key_value_heads": HEADS},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gradium_phonon_tts": {"flow_head_config": {"condition_dim": WIDTH}},
    "pocket_tts": {"flow_head_config": {"condition_dim": WIDTH}},
    "blip-2": {"image_token_index": 100},
    "instructblip": {"image_token_index": 100},
    "instructblipvideo": {"video_token_index": 100},
    "clap_audio_model": {"depths": [2, 1, 1, 1]},
    "qwen2_5_omni_dit": {
        "enc_channels": [16, 16, 16, 16, 48],
        "enc_emb_dim": 16,
        "look_ahead_layers": [1],
        "look_backward_layers": [0],
    },
    "nemotron3_5_transcribe_asr_audio": {"num_key_value_heads": HEADS},
    "superglue": {
        "gnn_layers_types": ["self", "cross"],
        "keypoint_encoder_sizes": [16, WIDTH],
        "keypoint_detector_config": {"descriptor_decoder_dim": WIDTH},
    },
    "unlimited_ocr_text": {"num_key_value_heads": HEADS},
    # Widths of which a part for every edge of a box is whole.
    "bros": {"hidden_size": 128},
    "lilt": {"hidden_size": 48},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4},
    # Its rotations are 32 wide whatever the heads are.
    "clvp_encoder": {"hidden_size": 128},
    "depth_pro": {
        "patch_size": 32,
        "merge_padding_value": 0,
        "intermediate_hook_ids": [1, 0],
        "intermediate_feature_dims": [16, 16],
        "scaled_images_feature_dims": [32, 32, 16],
        "fusion_hidden_size": 16,
    },
    "vitmatte": {"backbone_config": {"patch_size": 16, "image_size": 64}},
    "lw_detr": {"projector_scale_factors": [1.0], "backbone_config": {"window_block_indices": [0]}},
    "bridgetower_vision_model": {"hidden_size": 128},
    "bridgetower": {
        "hidden_size": 128,
        "text_config": {"hidden_size": 128},
    },
    "blt": {"num_hidden_layers": 2},
    "pp_doclayout_v2": {
        **ON_THREE_STAGES,
        "class_thresholds": [0.5] * 32,
        "class_order": [*range(32)],
    },
    "blt_local_decoder": {"hidden_size_global": WIDTH},
    "blt_local_encoder": {"hidden_size_global": WIDTH},
    "chmv2": {"backbone_config": {"return_class_token": True}},
    "lw_detr_vit": {"image_size": 64, "window_block_indices": [0]},
}
