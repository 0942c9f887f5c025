"""What a loaded module tells about itself, asked of the module rather than believed of its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from viz.errors import ModelRefusedError
from viz.models.attention import AttentionCall, Observer, observe, split_mask
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

# Tokens of a probe: enough for masks, windows of tests and sinks to matter.
PROBE_TOKENS = 24

# How far the output on our kernel may be from the eager one, as a share of its norm; the half types
# add up differently, and a mixture of experts may then choose others for a token or two.
PROBE_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_PROBE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Probe:
    """What one short run tells about a model.

    Attributes:
        tier: by which the attention shows.
        heads: of a layer, at most.
        layers: attention layers.
        looks_ahead: whether any token looks at a later one.
        output: what came out, [1, token, ...].
    """

    tier: Tier
    heads: int
    layers: int
    looks_ahead: bool
    output: Tensor


def probe(module: PreTrainedModel, device: torch.device) -> Probe | None:
    """Find out by which tier a model's attention shows; None if by neither.

    The registry counts only if the model computes on our kernel what it computes with its own eager
    attention: a model may need what no fast kernel takes, and nothing but the output would tell.
    """
    return _registry_probe(module, device) or _eager_probe(module, device)


def refuse_attention(module: PreTrainedModel, device: torch.device, name: str) -> ModelRefusedError:
    """Say why neither tier shows a model's attention: it has none, or it cannot even run."""
    try:
        with torch.inference_mode():
            module(_probe_ids(module, device))
    except PROBE_ERRORS as error:
        lines = str(error).strip().splitlines()
        return ModelRefusedError(
            f"{name} could not run {PROBE_TOKENS} tokens: {lines[0] if lines else type(error).__name__}",
            "Its configuration may be wrong, or it needs inputs other than a text.",
        )
    return ModelRefusedError(
        f"{name} has no softmax attention that can be observed.",
        "State-space and recurrent models have none; choose a transformer.",
    )


def refuse_non_finite(module: torch.nn.Module, name: str) -> None:
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
    module: PreTrainedModel,
    tokenizer: Any | None,
    *,
    name: str,
    revision: str | None,
    kind: Kind,
    probed: Probe,
) -> Model:
    """Gather what the rest of the house asks about a model."""
    first = next(module.parameters())
    return Model(
        name=name,
        revision=revision,
        module=module,
        tokenizer=tokenizer,
        device=first.device,
        dtype=first.dtype,
        kind=_seen_kind(kind, module, probed),
        tier=probed.tier,
        context_limit=context_limit(module, tokenizer),
        takes_pairs=_takes_pairs(tokenizer),
        layers=probed.layers,
        heads=probed.heads,
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


def _registry_probe(module: PreTrainedModel, device: torch.device) -> Probe | None:
    calls: list[AttentionCall] = []
    output = _run(module, device, calls.append)
    known = getattr(module.config, "num_hidden_layers", None)
    # Several calls a layer are parts of one pattern (differential attention), not patterns.
    if output is None or not calls or (isinstance(known, int) and len(calls) > known):
        return None
    tokens = _probe_ids(module, device).shape[1]
    if any(call.query.shape[2] != tokens or call.key.shape[2] != tokens for call in calls):
        return None
    with _eager(module) as switched:
        expected = _run(module, device) if switched else None
    if expected is None or not _agree(output, expected):
        return None
    heads = max(int(call.query.shape[1]) for call in calls)
    return Probe("registry", heads, len(calls), any(map(_looks_ahead, calls)), output)


def _eager_probe(module: PreTrainedModel, device: torch.device) -> Probe | None:
    if module.config._attn_implementation != "eager":
        return None
    try:
        with torch.inference_mode():
            result = module(_probe_ids(module, device), output_attentions=True)
    except PROBE_ERRORS:
        return None
    layers = getattr(result, "attentions", None)
    if not layers or any(layer is None or layer.ndim != 4 for layer in layers):
        return None
    heads = max(int(layer.shape[1]) for layer in layers)
    ahead = any(bool(layer.float().triu(1).any()) for layer in layers)
    return Probe("eager", heads, len(layers), ahead, first_output(result))


def forget_longer_texts(module: torch.nn.Module) -> None:
    """Undo what rotary embeddings of dynamic length keep of a longer text that came before."""
    for part in module.modules():
        if "dynamic" not in str(getattr(part, "rope_type", "")):
            continue
        names = [*vars(part), *(name for name, _ in part.named_buffers(recurse=False))]
        for name in [name for name in names if name.endswith("original_inv_freq")]:
            prefix = name.removesuffix("original_inv_freq")
            frequencies = getattr(part, f"{prefix}inv_freq")
            original = getattr(part, name).to(frequencies.device, copy=True)
            part.register_buffer(f"{prefix}inv_freq", original, persistent=False)
            setattr(part, f"{prefix}max_seq_len_cached", part.original_max_seq_len)


def first_output(result: Any) -> Tensor:
    """Return the logits of a pass, or else the first tensor that came out."""
    logits = getattr(result, "logits", None)
    output: Tensor = logits if logits is not None else result[0]
    return output


def _run(
    module: PreTrainedModel, device: torch.device, observer: Observer | None = None
) -> Tensor | None:
    """Run the probe's tokens; None if the model cannot."""
    try:
        with torch.inference_mode(), observe(observer) if observer else nullcontext():
            return first_output(module(_probe_ids(module, device)))
    except PROBE_ERRORS:
        return None


@contextmanager
def _eager(module: PreTrainedModel) -> Iterator[bool]:
    """Let a model run its own eager attention for a while; False where it has none."""
    before = module.config._attn_implementation
    try:
        module.set_attn_implementation("eager")
    except ValueError:
        yield False
        return
    try:
        yield True
    finally:
        module.set_attn_implementation(before)


def _agree(output: Tensor, expected: Tensor) -> bool:
    tolerance = PROBE_TOLERANCE.get(output.dtype, HALF_PROBE_TOLERANCE)
    if output.shape != expected.shape:
        return False
    distance = torch.linalg.vector_norm(output.float() - expected.float())
    # Weights that are no numbers are refused by name, later; here they only must not hide that.
    unknown = not bool(torch.isfinite(expected).all())
    return unknown or bool(distance <= tolerance * torch.linalg.vector_norm(expected.float()))


def _looks_ahead(call: AttentionCall) -> bool:
    """Whether the call's mask lets any query look at a later key."""
    if call.mask is None:
        return not call.is_causal and call.query.shape[2] > 1
    allowed, _ = split_mask(call.mask)
    return allowed is None or bool(allowed.triu(1).any())


def _seen_kind(kind: Kind, module: torch.nn.Module, probed: Probe) -> Kind:
    """Believe a class's name only where the probe agrees: its logits, and where it may look."""
    vocabulary = getattr(module.config, "vocab_size", None)
    ranks = probed.output.ndim == 3 and probed.output.shape[-1] == vocabulary
    return kind if ranks and not (kind == "causal" and probed.looks_ahead) else "encoder"


def _probe_ids(module: PreTrainedModel, device: torch.device) -> Tensor:
    vocabulary = int(getattr(module.config, "vocab_size", 8))
    count = min(PROBE_TOKENS, context_limit(module, None) or PROBE_TOKENS)
    return torch.arange(5, 5 + count, device=device)[None] % vocabulary


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
