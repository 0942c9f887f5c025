"""From a model type to a random model of the same architecture that runs in milliseconds."""

from __future__ import annotations

import contextlib
import copy
import importlib
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

# Larger models would take minutes.
MOST_PARAMETERS = 250_000_000

WIDTH, HEADS, LAYERS, VOCABULARY = 32, 4, 2, 120

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
    **dict.fromkeys(
        (
            *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"),
            *("decoder_layers", "num_decoder_layers", "num_encoder_layers", "depth"),
            *("decoder_num_hidden_layers", "num_block_layers", "num_self_attends_per_block"),
            *("encoder_num_hidden_layers", "detection_decoder_layers", "num_layer"),
            *("num_attention_layers", "vision_layers", "decoder_num_layers", "aux_layers"),
        ),
        LAYERS,
    ),
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

TASKS = (
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_MASKED_LM_MAPPING",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
    "MODEL_MAPPING",
)
EVERY_TASK = [
    name
    for name in vars(modeling_auto)
    if name.startswith("MODEL_FOR_") and name.endswith("_MAPPING")
]


# Numbers that can be small whatever the widths are.
SHALLOW = {
    *(name for name, value in SMALL.items() if value == LAYERS),
    *("vocab_size", "decoder_vocab_size", "text_vocab_size", "vocab_size_per_layer_input"),
    *("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    *("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", "attention_dropout"),
    *("n_group", "topk_group", "num_nextn_predict_layers", "first_k_dense_replace"),
    *("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"),
} - {"num_key_value_heads", "n_head_kv", "num_kv_heads", "n_kv_heads", "num_frames"}


def small_config(config: PretrainedConfig, *, only_shallow: bool = False) -> PretrainedConfig:
    """Make every number that costs time or memory small, in nested configurations too.

    With `only_shallow` the widths stay as they are, for architectures whose widths depend on each
    other in ways of their own.
    """
    kind = type(config)
    given = config.to_dict()
    small = {k: v for k, v in SMALL.items() if k in SHALLOW} if only_shallow else SMALL
    changes: dict[str, Any] = {}
    for name, value in given.items():
        nested = vars(config).get(name)
        if isinstance(nested, PretrainedConfig):
            changes[name] = small_config(nested, only_shallow=only_shallow)
        elif name in TOKENS and isinstance(value, int):
            changes[name] = 1 + TOKENS.index(name) if value >= 0 else value
        elif name in small and isinstance(value, (int, float)) and not isinstance(value, bool):
            changes[name] = small[name]
        elif (
            name.endswith(("_token_id", "_token_index"))
            and isinstance(value, int)
            and value >= VOCABULARY
        ):
            changes[name] = VOCABULARY - 1 - sum(map(ord, name)) % 40
        elif name in ("out_indices", "out_features", "stage_names"):
            continue
        elif isinstance(value, list) and value and all(type(v) is int for v in value):
            changes[name] = value if only_shallow else _small_list(name, value)
    if not only_shallow:
        changes |= _fitting(given)
    if given.get("layer_types"):
        changes["layer_types"] = _both_kinds(given["layer_types"])
    changes |= SPECIAL.get(config.model_type, {})
    keep = {k: v for k, v in changes.items() if k not in ("model_type", "transformers_version")}
    plain = {k: (v.to_dict() if isinstance(v, PretrainedConfig) else v) for k, v in keep.items()}
    try:
        return kind(**plain)
    except Exception:
        plain.pop("layer_types", None)
        return kind(**plain)


def _fitting(given: dict[str, Any]) -> dict[str, Any]:
    """Return what small widths of heads ask of other numbers."""
    changes: dict[str, Any] = {}
    if "qk_rope_head_dim" in given:
        changes["head_dim"] = SMALL["qk_rope_head_dim"]
    if "kv_lora_rank" in given:
        changes["num_key_value_heads"] = HEADS
    if given.get("head_dim", 0) is None:
        changes["head_dim"] = SMALL["head_dim"]
    rope = given.get("rope_parameters") or given.get("rope_scaling")
    if isinstance(rope, dict) and rope.get("mrope_section"):
        half = int(SMALL["head_dim"] * rope.get("partial_rotary_factor", 1.0)) // 2
        sections = [half - 2 * (half // 3), half // 3, half // 3]
        changes["rope_parameters"] = {**rope, "mrope_section": sections}
    return changes


def _small_list(name: str, value: list[int]) -> list[int]:
    if "depth" in name or name in ("layers", "num_layers", "num_blocks", "encoder_depths"):
        return [1] * len(value)
    if "head" in name:
        return [2 * min(2, i + 1) for i in range(len(value))]
    if any(part in name for part in ("hidden_size", "dims", "channels", "embed_dim", "hidden_dim")):
        return [16 * 2 ** min(i, 3) for i in range(len(value))]
    return value


def _both_kinds(types: list[str]) -> list[str]:
    kinds = list(dict.fromkeys(types))
    return (kinds * LAYERS)[: max(LAYERS, len(kinds))]


def model_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """Choose the class that shows most of an architecture."""
    for task in (*TASKS, *EVERY_TASK):
        mapping = getattr(modeling_auto, task)
        if type(config) in mapping:
            found = mapping[type(config)]
            return found[0] if isinstance(found, (tuple, list)) else found
    return _class_of_part(config)


def _class_of_part(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """Find the class of a configuration that is part of another, in the module where both live."""
    name = type(config).__module__.replace("configuration_", "modeling_")
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    for found in vars(module).values():
        if (
            isinstance(found, type)
            and issubclass(found, PreTrainedModel)
            and "config_class" in vars(found) | vars(found.__mro__[1])
            and getattr(found, "config_class", None) is type(config)
            and not found.__name__.endswith("PreTrainedModel")
        ):
            return found
    for found in vars(module).values():
        if (
            isinstance(found, type)
            and issubclass(found, PreTrainedModel)
            and found.__init__.__annotations__.get("config")
            in (type(config), type(config).__name__)
        ):
            return found
    return None


def _parameters(kind: type[PreTrainedModel], config: PretrainedConfig) -> int:
    """Count the parameters without making them; 0 where the class cannot be built that way."""
    with contextlib.suppress(Exception), torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(copy.deepcopy(config)).parameters())
    return 0


def tiny_model(model_type: str, *, only_shallow: bool = False) -> PreTrainedModel:
    """Build a tiny random model with weights large enough for uneven attention."""
    config = small_config(CONFIG_MAPPING[model_type](), only_shallow=only_shallow)
    kind = model_class(config)
    if kind is None:
        raise LookupError("no model class")
    for part in (
        config,
        *(getattr(config, n) for n in config.sub_configs if getattr(config, n, None) is not None),
    ):
        if getattr(part, "num_hidden_layers", 0) and getattr(part, "layer_types", None):
            part.num_hidden_layers = len(part.layer_types)
    size = _parameters(kind, config)
    if size > MOST_PARAMETERS:
        raise ValueError(f"{size:,} parameters are more than {MOST_PARAMETERS:,}")
    torch.manual_seed(7)
    module = (
        kind._from_config(config, attn_implementation="eager")
        if hasattr(kind, "_from_config")
        else kind(config)
    )
    module = module.float().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            # Wide layers spread as they are, and larger ones would only enlarge roundings.
            if parameter.ndim > 1 and parameter.is_floating_point() and not only_shallow:
                parameter.mul_(3)
    return module
