"""What a loaded module tells about itself, asked of the module rather than believed of its name."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from viz.errors import ModelRefusedError
from viz.models.context import context_limit, written_limit
from viz.models.model import Kind, Model, Sense
from viz.models.probe import Probe
from viz.models.sentences import SentenceReader
from viz.models.signature import forward_parameters

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
        if parameter.dtype.itemsize > 1 and not bool(torch.isfinite(parameter).all()):
            raise ModelRefusedError(
                f"The weights of {name} are not all numbers: {parameter_name} holds NaN or infinity.",
                "Use a checkpoint from before the training diverged.",
            )


def describe(
    module: nn.Module,
    tokenizer: Any | None,
    *,
    name: str,
    revision: str | None,
    kind: Kind,
    probed: Probe | None,
    processor: Any | None = None,
) -> Model:
    """Gather what the rest of the house asks about a model; what no probe told is told later."""
    first = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    reads_text = kind != "other" or isinstance(module, SentenceReader)
    return Model(
        name=name,
        revision=revision,
        module=module,
        tokenizer=tokenizer,
        processor=processor,
        device=first.device,
        dtype=first.dtype,
        kind=_seen_kind(kind, module, probed) if probed else kind,
        tier=probed.tier if probed else None,
        context_limit=context_limit(module, tokenizer) if reads_text else None,
        written_limit=written_limit(module) if reads_text else None,
        takes_pairs=kind == "seq2seq" or _takes_pairs(tokenizer),
        layers=probed.layers if probed else 0,
        heads=probed.heads if probed else 0,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        fingerprint=_fingerprint(module, name, revision),
        reads=_reads(module, tokenizer),
        plan=probed.plan if probed else None,
        read=probed.read if probed else (),
        written=probed.written if probed else (),
        unshown=probed.unshown if probed else (),
    )


def _seen_kind(kind: Kind, module: nn.Module, probed: Probe) -> Kind:
    """Believe a class's name only where the probe agrees: its logits, and where it may look."""
    vocabulary = getattr(module.config, "vocab_size", None)
    ranks = probed.output.ndim == 3 and probed.output.shape[-1] == vocabulary
    if kind in ("causal", "masked") and (not ranks or (kind == "causal" and probed.looks_ahead)):
        return "encoder"
    return kind


def _reads(module: nn.Module, tokenizer: Any | None) -> frozenset[Sense]:
    """Tell what a model can be given by what its forward takes."""
    takes = set(forward_parameters(module))
    if isinstance(module, SentenceReader):
        takes |= INPUTS["text"]
    reads: set[Sense] = {sense for sense, names in INPUTS.items() if takes & names}
    return frozenset(reads if tokenizer is not None else reads - {"text"})


def _takes_pairs(tokenizer: Any | None) -> bool:
    """Whether the tokenizer marks where a second text starts."""
    if tokenizer is None:
        return False
    alone, both = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return bool(both > alone)


def _fingerprint(module: nn.Module, name: str, revision: str | None) -> str:
    digest = hashlib.sha256(repr((name, revision)).encode())
    config = getattr(module, "config", None)
    digest.update(config.to_json_string().encode() if isinstance(config, PretrainedConfig) else b"")
    for parameter_name, parameter in module.named_parameters():
        sample = parameter.detach().reshape(-1)[:FINGERPRINT_NUMBERS].float().cpu()
        digest.update(parameter_name.encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:32]
