"""What a loaded module tells about itself, asked of the module rather than believed of its name."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from transformers import PreTrainedModel

from viz.errors import ModelRefusedError
from viz.models.attention import AttentionCall, observe
from viz.models.model import Kind, Model, Tier

# Numbers of each parameter that go into a fingerprint.
FINGERPRINT_NUMBERS = 16

# Tokenizers say "no limit" with astronomically large numbers.
NO_LIMIT = 10_000_000

# What models raise when they are run in a way that they do not support.
PROBE_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)

LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")


def probe_tier(module: PreTrainedModel, device: torch.device) -> Tier | None:
    """Run four tokens and see by which tier the attention shows; None if by neither."""
    calls = _probe_calls(module, device)
    layers = getattr(module.config, "num_hidden_layers", None)
    # Several calls a layer are parts of one pattern (differential attention), not patterns.
    if calls and not (isinstance(layers, int) and len(calls) > layers):
        return "registry"
    try:
        with torch.inference_mode():
            result = module(_probe_ids(module, device), output_attentions=True)
    except PROBE_ERRORS:
        return None
    attentions = getattr(result, "attentions", None)
    return "eager" if attentions and all(layer is not None for layer in attentions) else None


def refuse_attention(module: PreTrainedModel, device: torch.device, name: str) -> ModelRefusedError:
    """Say why neither tier shows a model's attention: it has none, or it cannot even run."""
    try:
        with torch.inference_mode():
            module(_probe_ids(module, device))
    except PROBE_ERRORS as error:
        lines = str(error).strip().splitlines()
        return ModelRefusedError(
            f"{name} could not run four tokens: {lines[0] if lines else type(error).__name__}",
            "Its configuration may be wrong, or it needs inputs other than a text.",
        )
    return ModelRefusedError(
        f"{name} has no softmax attention that can be observed.",
        "State-space and recurrent models have none; choose a transformer.",
    )


def heads_and_layers(module: PreTrainedModel, device: torch.device, tier: Tier) -> tuple[int, int]:
    """Count the heads (at most) and the attention layers by running four tokens."""
    if tier == "registry":
        calls = _probe_calls(module, device)
        return max(calls), len(calls)
    with torch.inference_mode():
        result = module(_probe_ids(module, device), output_attentions=True)
    return max(int(layer.shape[1]) for layer in result.attentions), len(result.attentions)


def refuse_non_finite(module: torch.nn.Module, name: str) -> None:
    """Make sure that every weight is a number.

    Raises:
        ModelRefusedError: a parameter holds NaN or infinity.
    """
    for parameter_name, parameter in module.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ModelRefusedError(
                f"The weights of {name} are not all numbers: {parameter_name} holds NaN or infinity.",
                "Use a checkpoint from before the training diverged.",
            )


def describe(
    module: PreTrainedModel,
    tokenizer: Any | None,
    *,
    name: str,
    revision: str | None,
    kind: Kind,
    tier: Tier,
) -> Model:
    """Gather what the rest of the house asks about a model."""
    first = next(module.parameters())
    heads, layers = heads_and_layers(module, first.device, tier)
    return Model(
        name=name,
        revision=revision,
        module=module,
        tokenizer=tokenizer,
        device=first.device,
        dtype=first.dtype,
        kind=kind,
        tier=tier,
        context_limit=context_limit(module, tokenizer),
        takes_pairs=_takes_pairs(tokenizer),
        layers=layers,
        heads=heads,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        fingerprint=_fingerprint(module, name, revision),
    )


def context_limit(module: PreTrainedModel, tokenizer: Any | None) -> int | None:
    """Return how many tokens a model reads: the smallest limit that any of its parts has."""
    config = module.config
    limits = [getattr(config, name, None) for name in LIMIT_NAMES]
    limits.append(getattr(tokenizer, "model_max_length", None))
    for part_name, part in module.named_modules():
        # RoBERTa's positions start behind the padding index, so its table is longer than its reach.
        if part_name.endswith("position_embeddings") and isinstance(part, torch.nn.Embedding):
            offset = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - offset)
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < NO_LIMIT]
    return min(known, default=None)


def _probe_calls(module: PreTrainedModel, device: torch.device) -> list[int]:
    """Run four tokens and return the number of heads of each attention call."""
    heads: list[int] = []

    def note(call: AttentionCall) -> None:
        heads.append(int(call.query.shape[1]))

    try:
        with torch.inference_mode(), observe(note):
            module(_probe_ids(module, device))
    except PROBE_ERRORS:
        return []
    return heads


def _probe_ids(module: PreTrainedModel, device: torch.device) -> torch.Tensor:
    vocabulary = int(getattr(module.config, "vocab_size", 8))
    return torch.arange(5, 9, device=device)[None] % vocabulary


def _takes_pairs(tokenizer: Any | None) -> bool:
    """Whether the tokenizer marks where a second text starts."""
    if tokenizer is None:
        return False
    alone, both = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return bool(both > alone)


def _fingerprint(module: PreTrainedModel, name: str, revision: str | None) -> str:
    digest = hashlib.sha256(repr((name, revision)).encode())
    digest.update(module.config.to_json_string().encode())
    for parameter_name, parameter in module.named_parameters():
        sample = parameter.detach().reshape(-1)[:FINGERPRINT_NUMBERS].float().cpu()
        digest.update(parameter_name.encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:32]
