"""What the numbers of a configuration become in a tiny model."""

from __future__ import annotations

from typing import Any

WIDTH, HEADS, LAYERS, VOCABULARY = 32, 4, 2, 120

DEPTHS = (
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"),
    *("decoder_layers", "num_decoder_layers", "num_encoder_layers", "depth"),
    *("decoder_num_hidden_layers", "num_block_layers", "num_self_attends_per_block"),
    *("encoder_num_hidden_layers", "detection_decoder_layers", "num_layer", "layers"),
    *("pred_num_hidden_layers", "num_spatial_layers", "num_temporal_layers"),
    *("l_layers", "x_layers", "r_layers", "resampler_depth", "num_global_layers"),
    *("num_attention_layers", "vision_layers", "decoder_num_layers", "aux_layers"),
)

POSITIONS = (
    *("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"),
    *("max_target_positions", "max_seq_length"),
)

# Numbers that are the same everywhere, also where an architecture has less by default.
FIXED = (*DEPTHS, *POSITIONS)

# What an attribute becomes, by its name, in whatever configuration it stands.
SMALL: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "embedding_size", "emb_dim"),
            *("word_embed_proj_dim", "encoder_hidden_size", "projection_dim", "d_embed", "width"),
            *("hidden_dim", "model_dim", "text_embed_dim", "decoder_hidden_size", "cross_dim"),
            *("encoder_hidden_dim", "feature_size", "fpn_hidden_size", "decoder_dim"),
            *("n_inner_dim", "bottleneck_size", "reassemble_hidden_size", "upsample_groups"),
            *("adapter_hidden_size", "mask_feature_size", "out_hidden_size", "vision_dim"),
            *("true_hidden_size", "intra_bottleneck_size", "conv_dim_size", "hidden_size_text"),
            *("encoder_dim", "output_proj_dim", "image_embed_dim", "vision_output_dim"),
            *("text_hidden_size", "vision_hidden_size", "audio_hidden_size", "reduced_dim"),
            *("projector_hidden_size", "projection_size", "lru_width", "bottleneck_dim"),
            *("pred_hidden_size", "mit_hidden_size", "cross_hidden_size"),
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"),
            *("decoder_attention_heads", "num_attention_heads_text", "attention_heads"),
            *("encoder_num_heads", "decoder_num_attention_heads", "num_self_attention_heads"),
            *("num_cross_attention_heads", "decoder_num_heads", "num_head", "nhead"),
            *("num_encoder_attention_heads", "num_decoder_attention_heads"),
            *("decoder_self_attention_heads", "decoder_cross_attention_heads"),
            *("pred_num_attention_heads", "mit_num_attention_heads", "cross_num_attention_heads"),
            *("swa_num_attention_heads", "resampler_n_heads"),
        ),
        HEADS,
    ),
    **dict.fromkeys(DEPTHS, LAYERS),
    **dict.fromkeys(
        (
            *("intermediate_size", "ffn_dim", "d_ff", "d_inner", "n_inner", "encoder_ffn_dim"),
            *("decoder_ffn_dim", "ff_dim", "dim_feedforward", "moe_intermediate_size"),
            *("ffn_hidden_size", "expert_ffn_hidden_size", "dense_intermediate_size"),
            *("shared_expert_intermediate_size", "encoder_intermediate_size", "mlp_dim"),
            *("decoder_intermediate_size", "intermediate_size_mlp", "feed_forward_size"),
            *("encoder_feedforward_dim", "decoder_feedforward_dim", "intermediate_dim"),
            "moe_shared_expert_intermediate_size",
        ),
        48,
    ),
    **dict.fromkeys(
        (
            *("head_dim", "d_kv", "attention_head_dim", "d_head", "kv_channels"),
            *("global_head_dim", "swa_head_dim", "cross_head_dim", "resampler_head_dim"),
        ),
        8,
    ),
    **dict.fromkeys(
        (
            *("num_key_value_heads", "n_head_kv", "num_kv_heads", "n_kv_heads"),
            *("num_global_key_value_heads", "swa_num_key_value_heads"),
            "cross_num_key_value_heads",
        ),
        2,
    ),
    **dict.fromkeys(
        ("vocab_size", "decoder_vocab_size", "text_vocab_size", "entity_vocab_size"), VOCABULARY
    ),
    **dict.fromkeys(POSITIONS, 128),
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
    "sliding_window_size": 8,
    "index_topk": 8,
    "index_kpool": 4,
    "index_block_size": 4,
    "keep_window_size": 8,
    "attention_window_size": 8,
    "local_attention_window_len": 8,
    "local_radius": 5,
    "context_size": 8,
    "n_window": 8,
    "n_window_infer": 16,
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
    "num_expert_group": 1,
    "num_filters": 8,
    "encoder_hash_byte_group_vocab": 100,
}
# What decides who attends to whom, and so stays as it is where the default geometry is asked for.
GEOMETRY = {
    *POSITIONS,
    *("sliding_window", "sliding_window_size", "keep_window_size", "attention_window_size"),
    *("attention_window", "local_attention", "local_attention_window_len", "local_radius"),
    *("window_size", "window_size_per_stage", "block_size", "context_size", "n_window"),
    *("n_window_infer", "attention_chunk_size", "index_topk", "index_kpool", "index_block_size"),
    *("indexer_budget", "indexer_compress_ratio", "axial_pos_shape", "num_mel_bins"),
    *("image_size", "patch_size", "max_source_positions", "num_frames", "spatial_merge_size"),
    *("temporal_patch_size", "image_grid_pinpoints", "mm_tokens_per_image", "num_queries"),
    *("num_query_tokens", "latent_query_num", "projector_patch_to_query_dict"),
    *("backbone_feature_sizes", "resampler_n_latents", "max_num_tiles", "num_codebooks"),
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

# What says of a backbone which of its stages it gives.
STAGES = ("out_indices", "out_features", "stage_names")

# What a configuration computes from its other numbers.
KEPT = (*STAGES, "hybrid_layer_ids", "kv_source_layers", "conv_output_size")

# Numbers that some architectures have as lists: an entry a side or a layer.
SMALL_LISTS = ("image_size", "patch_size", "intermediate_size", "moe_intermediate_size")

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
