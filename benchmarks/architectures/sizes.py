"""What the numbers of a configuration become in a tiny model."""

from __future__ import annotations

from typing import Any

WIDTH, HEADS, LAYERS, VOCABULARY = 32, 4, 2, 120

# Numbers of layers: two, also where an architecture has one by default.
DEPTHS = (
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"),
    *("decoder_layers", "num_decoder_layers", "num_encoder_layers", "depth"),
    *("decoder_num_hidden_layers", "num_block_layers", "num_self_attends_per_block"),
    *("encoder_num_hidden_layers", "detection_decoder_layers", "num_layer"),
    *("num_attention_layers", "vision_layers", "decoder_num_layers", "aux_layers"),
)

# What an attribute becomes, by its name, in whatever configuration it stands.
SMALL: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "embedding_size", "emb_dim"),
            *("word_embed_proj_dim", "encoder_hidden_size", "projection_dim", "d_embed", "width"),
            *("hidden_dim", "model_dim", "text_embed_dim", "decoder_hidden_size", "cross_dim"),
            *(
                "encoder_hidden_dim",
                "feature_size",
                "fpn_hidden_size",
                "decoder_dim",
                "n_inner_dim",
            ),
            *("adapter_hidden_size", "mask_feature_size", "out_hidden_size", "vision_dim"),
            *("true_hidden_size", "intra_bottleneck_size", "conv_dim_size", "hidden_size_text"),
            *("encoder_dim", "output_proj_dim", "image_embed_dim", "vision_output_dim"),
            *("text_hidden_size", "vision_hidden_size", "audio_hidden_size", "reduced_dim"),
            *("projector_hidden_size", "projection_size", "lru_width", "bottleneck_dim"),
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"),
            *("decoder_attention_heads", "num_attention_heads_text", "attention_heads"),
            *("encoder_num_heads", "decoder_num_attention_heads", "num_self_attention_heads"),
            *("num_cross_attention_heads", "decoder_num_heads", "num_head", "nhead"),
        ),
        HEADS,
    ),
    **dict.fromkeys(DEPTHS, LAYERS),
    **dict.fromkeys(
        (
            *("intermediate_size", "ffn_dim", "d_ff", "d_inner", "n_inner", "encoder_ffn_dim"),
            *(
                "decoder_ffn_dim",
                "ff_dim",
                "dim_feedforward",
                "moe_intermediate_size",
                "ffn_hidden_size",
            ),
            *("shared_expert_intermediate_size", "encoder_intermediate_size", "mlp_dim"),
            *("decoder_intermediate_size", "intermediate_size_mlp", "feed_forward_size"),
            *("encoder_feedforward_dim", "decoder_feedforward_dim", "intermediate_dim"),
            *(
                "expert_ffn_hidden_size",
                "moe_shared_expert_intermediate_size",
                "dense_intermediate_size",
            ),
        ),
        48,
    ),
    **dict.fromkeys(("head_dim", "d_kv", "attention_head_dim", "d_head", "kv_channels"), 8),
    **dict.fromkeys(
        (
            "num_key_value_heads",
            "n_head_kv",
            "num_kv_heads",
            "n_kv_heads",
            "num_global_key_value_heads",
        ),
        2,
    ),
    **dict.fromkeys(
        ("vocab_size", "decoder_vocab_size", "text_vocab_size", "entity_vocab_size"), VOCABULARY
    ),
    **dict.fromkeys(
        (
            *("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"),
            *("max_target_positions", "max_seq_length"),
        ),
        128,
    ),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(
        ("num_experts_per_tok", "num_experts_per_token", "moe_k", "top_k", "moe_topk"), 2
    ),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "num_nextn_predict_layers"), 1),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "lora_rank"), 16),
    **dict.fromkeys(("qk_nope_head_dim", "v_head_dim"), 8),
    "qk_rope_head_dim": 4,
    "rotary_dim": 4,
    "first_k_dense_replace": 1,
    "sliding_window": 8,
    "attention_chunk_size": 8,
    "local_attention": 8,
    "attention_window": 8,
    "image_size": 32,
    "patch_size": 8,
    "num_mel_bins": 16,
    "max_source_positions": 32,
    "num_frames": 2,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCABULARY,
    "global_head_dim": 8,
    "num_queries": 6,
    "num_query_tokens": 4,
    "num_labels": 3,
    "mamba_d_state": 8,
    "state_size": 8,
    "attention_dropout": 0.0,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "codebook_size": 64,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "n_mamba_heads": 2,
    "bottleneck_size": WIDTH,
}
TOKENS = (
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "decoder_start_token_id",
    "cls_token_id",
    "sep_token_id",
    "unk_token_id",
    "mask_token_id",
)

# What names of stages say of the backbone follows from the backbone.
KEPT = ("out_indices", "out_features", "stage_names")

# Numbers that some architectures have as lists: an entry a side or a layer.
SMALL_LISTS = ("image_size", "patch_size", "intermediate_size", "moe_intermediate_size")

# Model types whose configuration cannot be made from nothing.
DEFAULTS: dict[str, dict[str, Any]] = {}

# What the rule gets wrong, by model type.
SPECIAL: dict[str, dict[str, Any]] = {
    "informer": {"prediction_length": 4, "context_length": 12, "lags_sequence": [1, 2]},
    "autoformer": {"prediction_length": 4, "context_length": 12, "lags_sequence": [1, 2]},
    "time_series_transformer": {
        "prediction_length": 4,
        "context_length": 12,
        "lags_sequence": [1, 2],
    },
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "bamba": {"attn_layer_indices": [1]},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "falcon": {"alibi": True, "new_decoder_architecture": False, "multi_query": False},
    "reformer": {"is_decoder": True, "axial_pos_shape": [4, 6], "axial_pos_embds_dim": [16, 16]},
    "swin": {
        "image_size": 32,
        "patch_size": 4,
        "window_size": 4,
        "depths": [2, 1],
        "num_heads": [2, 4],
        "embed_dim": 16,
    },
    "swinv2": {
        "image_size": 32,
        "patch_size": 4,
        "window_size": 4,
        "depths": [2, 1],
        "num_heads": [2, 4],
        "embed_dim": 16,
    },
    "donut-swin": {
        "image_size": 32,
        "patch_size": 4,
        "window_size": 4,
        "depths": [2, 1],
        "num_heads": [2, 4],
        "embed_dim": 16,
    },
}

# Numbers that can be small whatever the widths are.
SHALLOW = {
    *DEPTHS,
    *("vocab_size", "decoder_vocab_size", "text_vocab_size", "vocab_size_per_layer_input"),
    *("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    *("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", "top_k"),
    *("n_group", "topk_group", "num_nextn_predict_layers", "first_k_dense_replace"),
    *("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"),
    "attention_dropout",
}
