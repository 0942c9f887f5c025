"""From a name to a module with its tokenizer and its processor."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from viz.command import typed
from viz.errors import LoupeError, ModelNotFoundError, ModelRefusedError
from viz.models.argument_checks import kind_of_value
from viz.models.catalogue import find_entry, local_folder
from viz.models.configuration import blaming, read_configuration
from viz.models.custom.model_folder import factory_of
from viz.models.device import SPREAD, choose_device, choose_dtype
from viz.models.folders import cache_folder, plain_path
from viz.models.forward_signature import forward_parameters
from viz.models.hub import hub_folder
from viz.models.hub_address import read_address
from viz.models.load_lock import building
from viz.models.loading_errors import explain
from viz.models.model import Kind
from viz.models.model_facts import refuse_non_finite
from viz.models.name_suggestion import other_models
from viz.models.run_cost import require_memory_for_weights

Progress = Callable[[str, float], None]

# Says that a name is meant for the hub, even where a folder of that name lies about.
HUB_PREFIX = "hub:"

HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*(/[\w.\-]+)?")

# What the libraries raise for files that are missing, damaged or of another kind.
LOADING_ERRORS = (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError)

# Where processors keep what they know.
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")

# Heads of tasks that we never show; a checkpoint without them is still whole for us.
IDLE_WEIGHTS = ("pooler", "position_ids", "cls.seq_relationship", "score.")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read of a model.

    Attributes:
        name: as the user named it, without what only says where it lies.
        revision: of the hub; None where none was asked for.
        module: on its device, in evaluation mode.
        tokenizer: None where there is none.
        processor: None where there is none.
    """

    name: str
    revision: str | None
    module: PreTrainedModel
    tokenizer: Any | None
    processor: Any | None


def read_model(
    name: str | Path,
    *,
    device: str,
    dtype: str | torch.dtype,
    revision: str | None,
    tell: Progress,
) -> Loaded:
    """Read a model from a catalogue name, the hub or a folder; see `viz.load_model`.

    Raises:
        ModelNotFoundError: there is no such model, or it is not on this machine.
        ModelRefusedError: it would need remote code or pickled weights, or lacks weights.
        BudgetError: its weights do not fit into memory.
    """
    tell("load", 0.0)
    name, called, revision = _named(_name_of(name), revision)
    place, spread = choose_device(device), device == SPREAD
    wanted = choose_dtype(dtype, place)
    try:
        source = str(_folder(name, revision, tell))
        config = _config(source, called)
        if not spread:
            require_memory_for_weights(source, config, wanted, place, called)
        tell("load", 0.2)
        tokenizer, processor = _tokenizer(source), _processor(source)
        tell("load", 0.3)
        module = _module(source, config, wanted, called, spread=spread)
        module = (module if spread else module.to(place)).eval()
        refuse_non_finite(module, called)
        tell("load", 0.7)
    except LoupeError:
        raise
    except LOADING_ERRORS as error:
        raise explain(error, called, revision) from error
    return Loaded(called, revision, module, tokenizer, processor)


def kind_of(module: nn.Module) -> Kind:
    """Tell what a model does from its class and its configuration."""
    config, named = getattr(module, "config", None), type(module).__name__
    if not isinstance(module, PreTrainedModel):
        return "other"
    if getattr(config, "is_encoder_decoder", False) and _writes(module):
        return "seq2seq"
    if module.main_input_name != "input_ids":
        return "other"
    if named.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")):
        return "causal"
    pretrained = named.endswith("ForPreTraining") and type(config) in MODEL_FOR_MASKED_LM_MAPPING
    return "masked" if named.endswith("ForMaskedLM") or pretrained else "encoder"


def _writes(module: PreTrainedModel) -> bool:
    """Whether a decoder is given what it writes."""
    return "decoder_input_ids" in forward_parameters(module)


def _name_of(name: object) -> str:
    """Take a name, or a folder as a path, of which an id on the hub can be no misreading."""
    if isinstance(name, Path):
        return str(name.absolute())
    if isinstance(name, str):
        return name
    wraps = isinstance(name, nn.Module)
    raise ModelNotFoundError(
        f"The name of a model was expected, and {kind_of_value(name)} came.",
        "Wrap it instead: viz.wrap_model(module, tokenizer)."
        if wraps
        else "Give a catalogue name, a Hugging Face id, or a folder.",
    )


def _named(name: str, revision: str | None) -> tuple[str, str, str | None]:
    """Read the id out of the address of a model's page; what the model is called then comes second."""
    given = name.removeprefix(HUB_PREFIX)
    called, revision = read_address(given, revision)
    on_hub = name.startswith(HUB_PREFIX) or (called != given and find_entry(called) is None)
    return (HUB_PREFIX if on_hub else "") + called, called, revision


def _folder(name: str, revision: str | None, tell: Progress) -> Path:
    """Turn a name into the folder that it is loaded from, fetched from the hub if need be."""
    entry = find_entry(name)
    if entry is not None:
        folder = local_folder(entry)
        if folder is None:
            raise ModelNotFoundError(
                f"{entry.title} is not on this machine yet ({entry.download_mb} MB to fetch).",
                f"Fetch it with: {typed('fetch', entry.name)}",
            )
        return folder
    if name.startswith(HUB_PREFIX):
        name = name.removeprefix(HUB_PREFIX)
    elif name and plain_path(name).is_dir():
        return _checked_folder(plain_path(name), name)
    elif name and plain_path(name).is_file():
        raise ModelNotFoundError(f"{name} is a file.", "Give the folder that holds config.json.")
    if not HUB_ID.fullmatch(name) or name.startswith(("/", ".", "~")):
        raise ModelNotFoundError(
            f"There is no folder {name!r}, and it is no Hugging Face id either.",
            f"Ids look like owner/name; folders hold a config.json. {other_models(name)}",
        )
    return hub_folder(name, revision, tell)


def _checked_folder(folder: Path, name: str) -> Path:
    """Refuse a folder whose files already say that it cannot be loaded safely."""
    if not (folder / "config.json").exists():
        raise ModelNotFoundError(
            f"The folder {name} holds no config.json.", "Give a folder in Hugging Face layout."
        )
    if not any(folder.glob("*.safetensors")):
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickled:
            raise ModelRefusedError(
                f"The folder {name} has only pickled weights ({pickled[0].name}), which can run code.",
                "Convert them to safetensors.",
            )
        raise ModelNotFoundError(
            f"The folder {name} holds no weights (*.safetensors).", "Check that it is complete."
        )
    return folder


def _config(source: str, name: str) -> Any:
    """Read a configuration without running any code of the model's own."""
    plain = read_configuration(source, name)
    if plain.get("model_type") not in CONFIG_MAPPING:
        if "auto_map" in plain:
            raise ModelRefusedError(
                f"{name} brings code of its own (auto_map), which is never run here.",
                "Choose a model that the installed transformers knows.",
            )
        raise ModelRefusedError(
            f"{name} is of type {plain.get('model_type')!r}, which the installed transformers "
            "does not know.",
            "Update transformers, or choose another model.",
        )
    with blaming(plain, name):
        return AutoConfig.from_pretrained(source, trust_remote_code=False)


def _tokenizer(source: str) -> Any | None:
    """Load the tokenizer; a model without one still reads its own inputs."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError):
        return None
    # Where the files are missing, some classes make up a tokenizer of special tokens alone.
    return tokenizer if len(tokenizer) > len(tokenizer.all_special_tokens) else None


def _processor(source: str) -> Any | None:
    """Load what turns images and sounds into inputs, if the folder has it."""
    if not any((Path(source) / name).exists() for name in PROCESSOR_FILES):
        return None
    for factory in (AutoProcessor, AutoImageProcessor, AutoFeatureExtractor):
        with contextlib.suppress(OSError, ValueError, KeyError, ImportError, TypeError):
            return factory.from_pretrained(source, trust_remote_code=False)
    return None


def _module(
    source: str,
    config: Any,
    dtype: torch.dtype | str,
    name: str,
    *,
    spread: bool,
) -> PreTrainedModel:
    """Load the weights, from safetensors only, and make sure that none were made up."""
    where = {"device_map": "auto", "offload_folder": str(cache_folder() / "offload")}
    declared = next(iter(getattr(config, "architectures", None) or []), "")
    factory = factory_of(config) or getattr(transformers, declared, AutoModel)
    with blaming(config.to_dict(), name), building:
        module, info = factory.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **(where if spread else {}),
        )
    missing = sorted(key for key in info["missing_keys"] if not any(i in key for i in IDLE_WEIGHTS))
    if missing:
        raise ModelRefusedError(
            f"The checkpoint of {name} lacks {len(missing)} weights ({missing[0]}, ...), "
            "which would be random.",
            "Choose a complete checkpoint.",
        )
    loaded: PreTrainedModel = module
    return loaded
