"""From a model type to a random model of the same architecture that runs in milliseconds."""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from benchmarks.architectures.sizes import (
    FIXED,
    HEADS,
    KEPT,
    LAYERS,
    SHALLOW,
    SMALL,
    SMALL_LISTS,
    STAGES,
    TOKENS,
    VOCABULARY,
)
from benchmarks.architectures.special import BY_DEFAULT, SPECIAL
from benchmarks.architectures.special_joined import LEFT_OUT

# Types that ask for their attention by a name under which eager attention is not found.
NO_EAGER = ("qwen2_5_omni_dit", "qwen2_5_omni_token2wav")

# Larger models would take minutes.
MOST_PARAMETERS = 250_000_000

TASKS = (
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_MASKED_LM_MAPPING",
    "MODEL_MAPPING",
)
EVERY_TASK = [
    name
    for name in vars(modeling_auto)
    if name.startswith("MODEL_FOR_") and name.endswith("_MAPPING")
]


# Names of what stays as it is whatever the rule says.
Kept = Collection[str]


def small_config(
    config: PretrainedConfig, *, only_shallow: bool = False, kept: Kept = ()
) -> PretrainedConfig:
    """Make every number that costs time or memory small, in nested configurations too.

    With `only_shallow` the widths stay as they are, for architectures whose widths depend on each
    other in ways of their own.
    """
    given = config.to_dict()
    own = _without(kept, SPECIAL.get(config.model_type, {}))
    if kept:
        own = _merged(own, BY_DEFAULT.get(config.model_type, {}))
    changes = _chosen(config, given)
    for name, value in given.items():
        nested = vars(config).get(name)
        if isinstance(nested, PretrainedConfig):
            small = small_config(nested, only_shallow=only_shallow, kept=kept).to_dict()
            # The indices of stages say the same as their names.
            changes[name] = {k: v for k, v in small.items() if k not in STAGES[1:]}
        elif name not in KEPT and name not in kept:
            changes |= _smaller(name, value, only_shallow=only_shallow)
    if not only_shallow:
        changes |= _fitting(config, given)
    changes = _left_out(config, only_shallow=only_shallow, kept=kept) | changes
    layers = _one_entry_a_layer(config, given)
    changes = _merged(changes | layers | _stages(config, given), own)
    for name in ("model_type", "transformers_version"):
        changes.pop(name, None)
    try:
        return type(config)(**changes)
    except Exception:
        if not layers:
            raise
        fewer = {k: v for k, v in changes.items() if k not in layers or k in own}
        return type(config)(**fewer, **_depth(config, LAYERS))


def _without(kept: Kept, told: Mapping[str, Any]) -> dict[str, Any]:
    """Leave names out of what is said of a configuration and of those in it."""
    return {
        name: _without(kept, value) if isinstance(value, dict) else value
        for name, value in told.items()
        if name not in kept
    }


def _left_out(config: PretrainedConfig, *, only_shallow: bool, kept: Kept) -> dict[str, Any]:
    """Make the parts that a configuration has only if it is told of them."""
    return {
        name: small_config(CONFIG_MAPPING[part](), only_shallow=only_shallow, kept=kept).to_dict()
        for name, part in LEFT_OUT.get(config.model_type, {}).items()
    }


def _chosen(config: PretrainedConfig, given: dict[str, Any]) -> dict[str, Any]:
    """Return what the holder of a nested configuration chose for it: kinds and fractions."""
    with contextlib.suppress(Exception):
        usual = type(config)().to_dict()
        return {
            name: value
            for name, value in given.items()
            if isinstance(value, (bool, str, float)) and value != usual.get(name, value)
        }
    return {}


def _smaller(name: str, value: Any, *, only_shallow: bool) -> dict[str, Any]:
    """Return what becomes of one attribute, or nothing where it stays."""
    small = {k: v for k, v in SMALL.items() if k in SHALLOW} if only_shallow else SMALL
    if name in TOKENS and isinstance(value, int):
        return {name: 1 + TOKENS.index(name) if value >= 0 else value}
    if name in small and isinstance(value, (int, float)) and not isinstance(value, bool):
        # One expert or no rotary dimensions are a choice of the architecture.
        return {name: small[name] if name in FIXED else min(value, small[name])}
    if name.endswith(("_token_id", "_token_index")) and isinstance(value, int):
        return {name: VOCABULARY - 1 - sum(map(ord, name)) % 40} if value >= VOCABULARY else {}
    if isinstance(value, list) and value and all(type(v) is int for v in value):
        return {name: value if only_shallow else _small_list(name, value)}
    return {}


def _merged(changes: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Put the second over the first; what both say of a nested configuration is joined.

    A nested configuration of another type takes the place of the first.
    """
    joined = {**changes, **more}
    for name, value in more.items():
        old = changes.get(name)
        if isinstance(old, dict) and "model_type" in old and "model_type" not in value:
            joined[name] = _merged(old, value)
    return joined


def _fitting(config: PretrainedConfig, given: dict[str, Any]) -> dict[str, Any]:
    """Return what small widths of heads ask of other numbers."""
    changes: dict[str, Any] = {}
    if given.get("qk_rope_head_dim"):
        changes["head_dim"] = SMALL["qk_rope_head_dim"]
    if "kv_lora_rank" in given:
        changes["num_key_value_heads"] = HEADS
    if given.get("head_dim", 0) is None:
        changes["head_dim"] = SMALL["head_dim"]
    rope = given.get("rope_parameters")
    if "mrope_section" in getattr(config, "ignore_keys_at_rope_validation", ()) and rope:
        share = rope.get("partial_rotary_factor", given.get("partial_rotary_factor") or 1.0)
        half = int(SMALL["head_dim"] * share) // 2
        # Time, height and width: as equal as they can be, together half of what is rotated.
        sections = [len(range(axis, half, 3)) for axis in range(3)]
        changes["rope_parameters"] = {**rope, "mrope_section": sections}
    return changes


def _small_list(name: str, value: list[int]) -> list[int]:
    if name in SMALL_LISTS:
        return [min(v, SMALL[name]) for v in value]
    if "depth" in name or name in ("layers", "num_layers", "num_blocks", "encoder_depths"):
        return [1] * len(value)
    if "head" in name:
        return [2 * min(2, i + 1) for i in range(len(value))]
    if any(part in name for part in ("hidden_size", "dims", "channels", "embed_dim", "hidden_dim")):
        return [16 * 2 ** min(i, 3) for i in range(len(value))]
    return value


def _depth(config: PretrainedConfig, layers: int) -> dict[str, int]:
    """Say a number of layers by the name that this configuration has for it."""
    return {config.attribute_map.get("num_hidden_layers", "num_hidden_layers"): layers}


def _one_entry_a_layer(config: PretrainedConfig, given: dict[str, Any]) -> dict[str, Any]:
    """Keep one layer of every kind, at least `LAYERS`, in all lists with an entry a layer."""
    (name,) = _depth(config, 0)
    depth = given.get(name) or 0
    lists = {
        k: v
        for k, v in given.items()
        if isinstance(v, list) and len(v) == depth > LAYERS and k not in KEPT
    }
    words = [v for v in lists.values() if isinstance(v[0], str)]
    if not words:
        return {}
    kinds = list(zip(*words, strict=True))
    kept = sorted({kinds.index(kind) for kind in kinds})
    kept = sorted({*kept, *range(LAYERS)} if len(kept) < LAYERS else kept)
    changes: dict[str, Any] = {k: [v[layer] for layer in kept] for k, v in lists.items()}
    for k, v in changes.items():
        if all(type(entry) is int for entry in v):
            changes[k] = _small_list(k, v)
    if given.get("per_layer_config"):
        changes["per_layer_config"] = _exceptions(given, kept)
    return {**changes, name: len(kept)}


def _exceptions(given: dict[str, Any], kept: list[int]) -> dict[str, dict[str, Any]]:
    """Say in what the kept layers differ from the others, in the same proportion as before."""
    told = {int(layer): values for layer, values in given["per_layer_config"].items()}
    return {
        str(new): {
            name: max(2, SMALL[name] * value // given[name]) if value else value
            for name, value in told.get(old, {}).items()
            if name in SMALL and given.get(name)
        }
        for new, old in enumerate(kept)
    }


def _stages(config: PretrainedConfig, given: dict[str, Any]) -> dict[str, Any]:
    """Let a backbone give as many of its stages as before, the last ones where layers are fewer."""
    taken = given.get("out_indices")
    if not taken or any(name in SPECIAL.get(config.model_type, {}) for name in ("depths", *STAGES)):
        return {}
    (name,) = _depth(config, 0)
    a_stage_a_layer = name in given and len(given.get("stage_names", ())) == given[name] + 1
    if "depths" in given or not a_stage_a_layer:
        return {"out_indices": taken}
    layers = max(LAYERS, len(taken))
    return {name: layers, "out_indices": [*range(layers - len(taken) + 1, layers + 1)]}


def model_classes(config: PretrainedConfig) -> Iterator[type[PreTrainedModel]]:
    """Give the classes that take a configuration, the one that shows most of it first."""
    for task in (*TASKS, *EVERY_TASK):
        mapping = getattr(modeling_auto, task)
        # A mapping may name a class that its module does not have.
        with contextlib.suppress(ValueError):
            if type(config) in mapping:
                found = mapping[type(config)]
                yield found[0] if isinstance(found, (tuple, list)) else found
    part = _class_of_part(config)
    if part is not None:
        yield part


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
            and "config" in (takes := inspect.signature(found).parameters)
            and takes["config"].annotation in (type(config), type(config).__name__)
        ):
            return found
    return None


def _parameters(kind: type[PreTrainedModel], config: PretrainedConfig) -> int:
    """Count the parameters without making them; 0 where the class cannot be built that way."""
    with contextlib.suppress(Exception), torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(copy.deepcopy(config)).parameters())
    return 0


def tiny_model(
    model_type: str,
    *,
    only_shallow: bool = False,
    kept: Kept = (),
    attention: str | None = "eager",
) -> PreTrainedModel:
    """Build a tiny random model with weights large enough for uneven attention.

    Args:
        model_type: as transformers names it.
        only_shallow: leave the widths as they are.
        kept: names of attributes that stay as they are by default, such as `GEOMETRY`.
        attention: the implementation, None for the one that transformers chooses.

    Raises:
        LookupError: no class takes the configuration.
        Exception: what the first of the classes raised, where none can be built.
    """
    config = small_config(CONFIG_MAPPING[model_type](), only_shallow=only_shallow, kept=kept)
    for part in (
        config,
        *(getattr(config, n) for n in config.sub_configs if getattr(config, n, None) is not None),
    ):
        if getattr(part, "num_hidden_layers", 0) and getattr(part, "layer_types", None):
            part.num_hidden_layers = len(part.layer_types)
    first: Exception = LookupError("no model class")
    for kind in dict.fromkeys(model_classes(config)):
        try:
            module = _built(kind, copy.deepcopy(config), attention)
        except Exception as error:
            # A class may be listed for a configuration that only holds the one it takes.
            first = error if isinstance(first, LookupError) else first
            continue
        with torch.no_grad():
            for parameter in module.parameters():
                if not parameter.is_floating_point():
                    continue
                if not bool(torch.isfinite(parameter).all()):
                    parameter.normal_(std=0.02)  # left as memory had it by the model's own code
                # Wide layers and stacks of matrices spread as they are, and larger ones would only
                # enlarge roundings.
                if parameter.ndim in (2, 4, 5) and not only_shallow:
                    parameter.mul_(3)
        return module
    raise first


def _built(
    kind: type[PreTrainedModel], config: PretrainedConfig, attention: str | None
) -> PreTrainedModel:
    """Build a model in float32, ready to run, unless it is too large."""
    if kind.forward is torch.nn.Module.forward:
        raise TypeError(f"{kind.__name__} has no forward of its own")
    size = _parameters(kind, config)
    if size > MOST_PARAMETERS:
        raise ValueError(f"{size:,} parameters are more than {MOST_PARAMETERS:,}")
    torch.manual_seed(7)
    if attention == "eager" and config.model_type in NO_EAGER:
        attention = "sdpa"
    asked = {} if attention is None else {"attn_implementation": attention}
    module = kind._from_config(config, **asked) if hasattr(kind, "_from_config") else kind(config)
    return module.float().eval()
