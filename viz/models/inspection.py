"""What a loaded module tells about itself, asked of the module rather than believed of its name."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from viz.errors import ModelRefusedError
from viz.models.attention import (
    ATTENTION_NAME,
    MASKED_NAME,
    AttentionCall,
    Observer,
    split_mask,
)
from viz.models.model import Kind, Model, Tier
from viz.models.returned import Returned, returned_weights
from viz.models.watch import watch

Inputs = Mapping[str, Any]
Outputs = dict[str, Tensor]

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

# A model that also takes one of these may not run on a text alone.
OTHER_INPUTS = {
    *(
        "pixel_values",
        "pixel_values_videos",
        "image_embeds",
        "bbox",
        "visual_feats",
        "visual_embeds",
    ),
    *("input_features", "input_values", "audio_values", "flattened_patches"),
}

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
        looks_ahead: whether any query looks at a later key.
        output: what came out first, [1, ...].
    """

    tier: Tier
    heads: int
    layers: int
    looks_ahead: bool
    output: Tensor


def probe(module: nn.Module, inputs: Inputs) -> Probe | None:
    """Find out by which tier a model's attention shows, and leave it set to that; None if by none.

    What is recomputed counts only if the model computes on our kernel what it computes with its own
    eager attention: a model may need what no fast kernel takes, and nothing but the output would
    tell. A module that is no transformers model has no other way to compute, and is only watched.

    Cost: two passes, one of them eager; more where the first way is not the one.
    """
    ways = (ATTENTION_NAME, MASKED_NAME) if isinstance(module, PreTrainedModel) else ("",)
    # Models that draw random numbers must not draw others because they were probed.
    with torch.random.fork_rng(_cuda_devices(module)):
        for way in ways:
            _set(module, way)
            if (found := _watched_probe(module, inputs, way)) is not None:
                return found
        _set(module, "eager")
        return _eager_probe(module, inputs)


def current_way(module: PreTrainedModel) -> str:
    """Return the attention implementation that a model is set to; its parts may know better."""
    parts = [getattr(module.config, name, None) for name in type(module.config).sub_configs]
    named = [getattr(part, "_attn_implementation", "") for part in (module.config, *parts)]
    ours = [str(name) for name in named if name in (ATTENTION_NAME, MASKED_NAME)]
    return ours[0] if ours else str(named[0])


def _cuda_devices(module: nn.Module) -> list[torch.device]:
    first = next(iter([*module.parameters(), *module.buffers()]), None)
    return [first.device] if first is not None and first.device.type == "cuda" else []


def _set(module: nn.Module, way: str) -> bool:
    """Let a transformers model attend in a way; False where it cannot be told."""
    if not isinstance(module, PreTrainedModel):
        return False
    try:
        module.set_attn_implementation(way)
    except (ValueError, AttributeError):
        return False
    return True


def refuse_attention(module: nn.Module, inputs: Inputs, name: str) -> ModelRefusedError:
    """Say why no tier shows a model's attention: it has none, or it cannot even run."""
    try:
        with torch.inference_mode():
            module(**inputs)
    except PROBE_ERRORS as error:
        lines = str(error).strip().splitlines()
        return ModelRefusedError(
            f"{name} could not run {PROBE_TOKENS} tokens: {lines[0] if lines else type(error).__name__}",
            "Its configuration may be wrong, or it needs inputs other than a text.",
        )
    calls: list[AttentionCall] = []
    _set(module, ATTENTION_NAME)
    _run(module, inputs, calls.append)
    if calls:
        return ModelRefusedError(
            f"{name} computes something else on the fast kernel than with its own eager attention, "
            "and returns no weights of its own.",
            "Its pattern would mislead, so it is not shown.",
        )
    return ModelRefusedError(
        f"{name} has no softmax attention that can be observed.",
        "State-space and recurrent models have none; choose a transformer.",
    )


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
        context_limit=context_limit(module, tokenizer) if kind != "other" else None,
        takes_pairs=kind == "seq2seq" or _takes_pairs(tokenizer),
        layers=probed.layers if probed else 0,
        heads=probed.heads if probed else 0,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        fingerprint=_fingerprint(module, name, revision),
    )


def context_limit(module: nn.Module, tokenizer: Any | None) -> int | None:
    """Return how many tokens a model reads: the smallest limit that any of its parts has."""
    config = getattr(module, "config", None)
    limits = [getattr(config, name, None) for name in LIMIT_NAMES]
    limits.append(getattr(tokenizer, "model_max_length", None))
    for part_name, part in module.named_modules():
        # RoBERTa's positions start behind the padding index, so its table is longer than its reach.
        if part_name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            offset = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - offset)
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < NO_LIMIT]
    return min(known, default=None)


def _watched_probe(module: nn.Module, inputs: Inputs, way: str) -> Probe | None:
    calls: list[AttentionCall] = []
    devices = _cuda_devices(module)
    with torch.random.fork_rng(devices):
        output = _run(module, inputs, calls.append)
    if output is None or not calls:
        return None
    if isinstance(module, PreTrainedModel):
        with _eager(module, way) as switched, returned_weights(module) as returned:
            expected = _run(module, with_attentions(module, inputs)) if switched else None
        # Seen at the kernel, and with no other way to compute: there is nothing to compare with.
        only_way = not switched and all(call.tier == "hooks" for call in calls)
        if not only_way and (expected is None or not _agree(output, expected)):
            return None
        if not _same_layers(module, calls, returned):
            return None
    return Probe(
        tier="hooks" if any(call.tier == "hooks" for call in calls) else "registry",
        heads=max(int(call.query.shape[1]) for call in calls),
        layers=len(calls),
        looks_ahead=any(map(_looks_ahead, calls)),
        output=_first_of(output),
    )


def _same_layers(module: nn.Module, calls: list[AttentionCall], returned: Returned) -> bool:
    """Whether every pattern that the model returns itself is one call that we saw.

    More patterns than calls: some attention does not reach us. More calls than patterns of one part:
    each is a share of a pattern (differential attention), and only the model knows how they join.
    """
    names = {id(part): name for name, part in module.named_modules()}
    seen = Counter(names.get(id(call.module), "") for call in calls)
    own = Counter(name for name, _ in returned.found)
    return own.total() <= seen.total() and all(
        seen[name] == count for name, count in own.items() if name in seen
    )


def _eager_probe(module: nn.Module, inputs: Inputs) -> Probe | None:
    if isinstance(module, PreTrainedModel) and module.config._attn_implementation != "eager":
        return None
    with returned_weights(module) as returned:
        output = _run(module, with_attentions(module, inputs))
    patterns = [weights for _, weights in returned.found]
    if output is None or not patterns:
        return None
    return Probe(
        tier="eager",
        heads=max(int(pattern.shape[1]) for pattern in patterns),
        layers=len(patterns),
        looks_ahead=any(bool(pattern.float().triu(1).any()) for pattern in patterns),
        output=_first_of(output),
    )


def with_attentions(module: nn.Module, inputs: Inputs) -> dict[str, Any]:
    """Ask a model for its weights too, if its forward can be asked."""
    parameters = inspect.signature(module.forward).parameters
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    asked = isinstance(module, PreTrainedModel) and (
        "output_attentions" in parameters or open_ended
    )
    return {**inputs, "output_attentions": True} if asked else dict(inputs)


def _run(
    module: nn.Module, inputs: Mapping[str, Any], observer: Observer | None = None
) -> Outputs | None:
    """Run a module and return everything that it returns; None if it cannot."""
    try:
        with torch.inference_mode(), watch(module, observer) if observer else nullcontext():
            return dict(_all_tensors(module(**inputs)))
    except PROBE_ERRORS:
        return None


def forget_longer_texts(module: nn.Module) -> None:
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
    if isinstance(logits, Tensor):
        return logits
    return next(tensor for _, tensor in _all_tensors(result))


def _first_of(outputs: Outputs) -> Tensor:
    """The same, of tensors by their paths."""
    return outputs.get("/logits", next(iter(outputs.values())))


def _all_tensors(result: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Walk through everything that a model returned, each tensor with the way to it."""
    if isinstance(result, Tensor):
        yield path, result
    elif isinstance(result, Mapping):
        for name, part in result.items():
            yield from _all_tensors(part, f"{path}/{name}")
    elif isinstance(result, (tuple, list)):
        for number, part in enumerate(result):
            yield from _all_tensors(part, f"{path}/{number}")


@contextmanager
def _eager(module: PreTrainedModel, way: str) -> Iterator[bool]:
    """Let a model run its own eager attention for a while; False where it has none."""
    if not _set(module, "eager"):
        yield False
        return
    try:
        yield True
    finally:
        _set(module, way)


def _agree(outputs: Outputs, expected: Outputs) -> bool:
    """Whether all that two passes returned is the same; a single logit could be so by chance."""
    both = outputs.keys() & expected.keys()
    return bool(both) and all(_close(outputs[path], expected[path]) for path in both)


def _close(output: Tensor, expected: Tensor) -> bool:
    if output.shape != expected.shape:
        return False
    if not output.is_floating_point():
        return True  # an argmax may fall either way
    tolerance = PROBE_TOLERANCE.get(output.dtype, HALF_PROBE_TOLERANCE)
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


def _seen_kind(kind: Kind, module: nn.Module, probed: Probe) -> Kind:
    """Believe a class's name only where the probe agrees: its logits, and where it may look."""
    vocabulary = getattr(module.config, "vocab_size", None)
    ranks = probed.output.ndim == 3 and probed.output.shape[-1] == vocabulary
    if kind in ("causal", "masked") and (not ranks or (kind == "causal" and probed.looks_ahead)):
        return "encoder"
    return kind


def sample_inputs(module: nn.Module) -> Inputs | None:
    """Make a short input of a model of text; None where only the user can tell what it reads."""
    config = getattr(module, "config", None)
    vocabulary = getattr(config, "vocab_size", None)
    text = isinstance(module, PreTrainedModel) and module.main_input_name == "input_ids"
    asks = set(inspect.signature(module.forward).parameters)
    if not text or not isinstance(vocabulary, int) or asks & OTHER_INPUTS:
        return None
    count = min(PROBE_TOKENS, context_limit(module, None) or PROBE_TOKENS)
    device = next(module.parameters()).device
    ids = torch.arange(5, 5 + count, device=device)[None] % vocabulary
    inputs = {"input_ids": ids}
    if "attention_mask" in asks:
        inputs["attention_mask"] = torch.ones_like(ids)
    if getattr(config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = ids[:, : count // 2]
    return inputs


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
