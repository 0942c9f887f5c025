"""A custom model built, and kept as a folder that opens like any other."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, PreTrainedTokenizerBase

from viz.errors import StorageError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.pretrained_config import MODEL_TYPE, LoupeConfig
from viz.models.custom.transformers_models import LoupeModel, class_of
from viz.models.load_lock import building

WEIGHTS = "model.safetensors"
READER = "preprocessor_config.json"

# As Pillow numbers it.
BILINEAR = 2

AutoConfig.register(MODEL_TYPE, LoupeConfig, exist_ok=True)


def build_model(
    options: TransformerOptions,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    seed: int | None = None,
    **more: Any,
) -> LoupeModel:
    """Build a model with weights that are drawn by chance.

    Args:
        options: what it is made of.
        tokenizer: whose special tokens it is to know; an encoder-decoder writes after [BOS].
        seed: of the weights; the same seed, the same weights. The random state of the thread is left
            alone then.
        more: further entries of its configuration, such as `id2label`.

    Raises:
        ConfigError: the options do not fit each other.
    """
    config = LoupeConfig(**asdict(options), **_special(tokenizer, options), **more)
    with building, torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return class_of(options)(config)


def factory_of(config: object) -> type[LoupeModel] | None:
    """Return the class of a custom model by its configuration; None for other models."""
    return class_of(config.options) if isinstance(config, LoupeConfig) else None


def image_reader(options: TransformerOptions) -> dict[str, Any]:
    """Say how pictures are brought to a model: to its size, with numbers from 0 to 1."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": options.image_size, "width": options.image_size},
        "resample": BILINEAR,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }


def save_model(
    module: LoupeModel, folder: str | Path, tokenizer: PreTrainedTokenizerBase | None = None
) -> Path:
    """Write a model as a folder in the layout of the hub: config.json, model.safetensors, tokenizer.

    A model of images gets what brings pictures to it. Weights are written beside and then put in place, so that a folder never holds half a file.

    Raises:
        StorageError: it cannot be written.
    """
    folder = Path(folder)
    tensors = {name: one.detach().contiguous() for name, one in module.state_dict().items()}
    module.config.architectures = [type(module).__name__]
    module.config.dtype = module.dtype
    try:
        folder.mkdir(parents=True, exist_ok=True)
        module.config.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        if module.config.options.reads == "images":
            reader = image_reader(module.config.options)
            (folder / READER).write_text(json.dumps(reader, indent=2))
        beside = folder / f"{WEIGHTS}.{os.getpid()}.part"
        save_file(tensors, beside, metadata={"format": "pt"})
        beside.replace(folder / WEIGHTS)
    except OSError as error:
        raise StorageError(
            f"The model cannot be written to {folder}: {error.strerror or error}.",
            "Choose a folder that can be written to, with room on the disk.",
        ) from error
    return folder


def _special(
    tokenizer: PreTrainedTokenizerBase | None, options: TransformerOptions
) -> dict[str, int]:
    """Say which ids pad, begin and end a text."""
    if tokenizer is None:
        return {}
    ids = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }
    if options.architecture == "encoder-decoder":
        ids["decoder_start_token_id"] = tokenizer.bos_token_id
    return ids
