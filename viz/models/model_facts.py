"""What a loaded module tells about itself, asked of the module rather than believed of its name."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from viz.errors import ModelRefusedError
from viz.models.forward_signature import forward_parameters
from viz.models.model import Sense
from viz.models.sentence_transformers import SentenceReader
from viz.models.spread_model import offloaded

# What forwards call what a person gives them.
INPUTS: dict[Sense, set[str]] = {
    "text": {"input_ids"},
    "image": {"pixel_values", "pixel_values_videos", "flattened_patches"},
    "sound": {"input_features", "input_values", "audio_values"},
}

# Numbers of each parameter that go into a fingerprint.
FINGERPRINT_NUMBERS = 16


def refuse_non_finite(module: nn.Module, name: str) -> None:
    """Make sure that every weight is a number.

    Raises:
        ModelRefusedError: a parameter holds NaN or infinity.
    """
    for parameter_name, parameter in module.named_parameters():
        # Eight-bit types have no isfinite; what they cannot hold shows in the output.
        known = parameter.dtype.itemsize > 1 and not parameter.is_meta
        if known and not bool(torch.isfinite(parameter).all()):
            raise ModelRefusedError(
                f"The weights of {name} are not all numbers: {parameter_name} holds NaN or infinity.",
                "Use a checkpoint from before the training diverged.",
            )


def reads(module: nn.Module, tokenizer: Any | None) -> frozenset[Sense]:
    """Tell what a model can be given by what its forward takes."""
    takes = set(forward_parameters(module))
    if isinstance(module, SentenceReader):
        takes |= INPUTS["text"]
    reads: set[Sense] = {sense for sense, names in INPUTS.items() if takes & names}
    return frozenset(reads if tokenizer is not None else reads - {"text"})


def takes_pairs(tokenizer: Any | None) -> bool:
    """Whether the tokenizer marks where a second text starts."""
    if tokenizer is None:
        return False
    alone, both = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return bool(both > alone)


def fingerprint(module: nn.Module, name: str, revision: str | None) -> str:
    digest = hashlib.sha256(repr((name, revision)).encode())
    config = getattr(module, "config", None)
    digest.update(config.to_json_string().encode() if isinstance(config, PretrainedConfig) else b"")
    for parameter_name, parameter in module.named_parameters():
        digest.update(parameter_name.encode())
        numbers = offloaded(module, parameter_name) if parameter.is_meta else parameter
        sample = numbers.detach().reshape(-1)[:FINGERPRINT_NUMBERS].float().cpu()
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:32]
