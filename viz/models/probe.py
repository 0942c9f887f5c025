"""By which tier a model's attention shows, found out by one short run."""

from __future__ import annotations

import inspect
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.errors import ModelRefusedError
from viz.models.attention import (
    ATTENTION_NAME,
    MASKED_NAME,
    AttentionCall,
    Observer,
    split_mask,
)
from viz.models.context import context_limit
from viz.models.model import Tier
from viz.models.outputs import Outputs, all_tensors, first_of
from viz.models.preserve import preserved
from viz.models.rerun import copied
from viz.models.returned import Returned, is_related, likely, returned_weights
from viz.models.softmaxes import Softmaxes
from viz.models.values import Reading, ValuePart, ValueReader, value_parts
from viz.models.watch import watch

Inputs = Mapping[str, Any]

# What models raise when they are run in a way that they do not support, or are wrong themselves.
PROBE_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    ArithmeticError,
    NameError,
    OSError,
    ImportError,
    EOFError,
    BufferError,
    StopIteration,
)

# Parts that mix tokens by no softmax over keys, as the field and the library call them.
MIXERS = re.compile(
    r"Mamba\w*Mixer|MambaLayer|(Bamba|FalconH1)Mixer|DeltaNet|DeltaAttention"
    r"|LinearAttention(?!\w*Layer)|LightningAttention(?!\w*Layer)|RecurrentBlock|ShortConv|Retention|[xms]LSTM(Layer|Cell)|Rwkv\w*(Attention|TimeMix)|HyenaFilter"
)

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
        read: parts that no kernel shows, but whose weights can be read off them.
        written: parts that write their softmax out by hand, and do not return it.
        unshown: parts that project values, and whose output is no weighted mean of them.
    """

    tier: Tier
    heads: int
    layers: int
    looks_ahead: bool
    output: Tensor
    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()


def probe(module: nn.Module, inputs: Inputs) -> Probe | None:
    """Find out by which tier a model's attention shows, and leave it set to that; None if by none.

    What is recomputed counts only if the model computes on our kernel what it computes with its own
    eager attention: a model may need what no fast kernel takes, and nothing but the output would
    tell. A module that is no transformers model has no other way to compute, and is only watched.

    Cost: two passes, one of them eager; more where the first way is not the one.
    """
    ways = (ATTENTION_NAME, MASKED_NAME, "sdpa") if isinstance(module, PreTrainedModel) else ("",)
    # Models that draw random numbers must not draw others because they were probed.
    given = current_way(module) if isinstance(module, PreTrainedModel) else ""
    with torch.random.fork_rng(_cuda_devices(module)), preserved(module):
        for way in ways:
            # Some models ask for the name of their kernel, and do by it what only "sdpa" asks for.
            if way == "sdpa" and not _set(module, way):
                continue
            _set(module, way)
            if (found := _watched_probe(module, inputs, way, as_given=way == given)) is not None:
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
    log = logging.getLogger("transformers.modeling_utils")
    level = log.level
    # It warns of models that take no such setting; we find that out by looking.
    log.setLevel(logging.ERROR)
    try:
        module.set_attn_implementation(way)
    except (ValueError, AttributeError):
        return False
    finally:
        log.setLevel(level)
    return True


def refuse_unseen(module: nn.Module, probed: Probe | None, name: str) -> None:
    """Refuse a model that runs on a sample text and shows no attention by any tier.

    One that does not even run may need more than a text; its first capture tells.

    Raises:
        ModelRefusedError: it runs, and has nothing to show.
    """
    inputs = sample_inputs(module)
    if probed is None and inputs is not None and _run(module, inputs) is not None:
        raise refuse_attention(module, inputs, name)


def refuse_attention(module: nn.Module, inputs: Inputs, name: str) -> ModelRefusedError:
    """Say why no tier shows the attention of a model that runs."""
    calls: list[AttentionCall] = []
    _set(module, ATTENTION_NAME)
    _run(module, inputs, calls.append)
    if calls:
        return ModelRefusedError(
            f"{name} computes something else on the fast kernel than with its own eager attention, "
            "and returns no weights of its own.",
            "Its pattern would mislead, so it is not shown.",
        )
    hint = "Convolutions, state-space and recurrent models have none; choose a transformer."
    if not type(module).__module__.startswith("transformers."):
        hint = (
            "If it attends in a way of its own, say how: "
            "viz.wrap_model(module, attention={'name of a part': function})."
        )
    return ModelRefusedError(f"{name} has no softmax attention that can be observed.", hint)


def _watched_probe(module: nn.Module, inputs: Inputs, way: str, *, as_given: bool) -> Probe | None:
    calls: list[AttentionCall] = []
    devices = _cuda_devices(module)
    with torch.random.fork_rng(devices):
        output = _run(module, inputs, calls.append)
    if output is None or not calls:
        return None
    if isinstance(module, PreTrainedModel):
        with _eager(module, way) as switched, returned_weights(module) as returned:
            expected = run_asking(module, inputs) if switched else None
        if expected is None and switched and way != "sdpa" and _set(module, "sdpa"):
            # Its eager attention cannot run; the stock kernel is the next best to compare with.
            expected = _run(module, inputs)
            _set(module, way)
        # Seen at the kernel, and with no other way to compute: there is nothing to compare with.
        seen_at_kernel = all(call.tier == "hooks" for call in calls)
        # Run as it was given and seen at the kernel, it need not agree with any other way.
        only_way = seen_at_kernel and (not switched or (as_given and way == "sdpa"))
        if not only_way and (expected is None or not _agree(output, expected)):
            return None
        if not _same_layers(module, calls, returned):
            return None
    names = {id(part): name for name, part in module.named_modules()}
    seen = {names.get(id(call.module), "") for call in calls}
    read, unshown = readable(module, inputs, seen)
    with Softmaxes(module) as softmaxes:
        _run(module, inputs)
    by_hand = dict.fromkeys(name for name, _ in likely(softmaxes) if not is_related(name, read))
    written = tuple(name for name in by_hand if name not in seen)
    # What a part does besides a call that we see is its own affair, but is not kept quiet about.
    besides = tuple(name for name in by_hand if name in seen)
    return Probe(
        tier="hooks" if any(call.tier == "hooks" for call in calls) else "registry",
        heads=max(int(call.query.shape[1]) for call in calls),
        layers=len(calls) + len(read) + len(written),
        looks_ahead=any(map(_looks_ahead, calls)),
        output=first_of(output),
        read=read,
        written=written,
        unshown=_left_out(module, {*seen, *read, *written}, (*besides, *unshown)),
    )


def _left_out(module: nn.Module, shown: Collection[str], found: Sequence[str]) -> tuple[str, ...]:
    """Name the parts that mix tokens and are not shown: those found, and those of known kinds."""
    left = [name for name in found if name in shown or not is_related(name, shown)]
    for name, part in module.named_modules():
        mixes = MIXERS.search(type(part).__name__) is not None
        if mixes and not is_related(name, {*shown, *left}):
            left.append(name)
    return tuple(dict.fromkeys(left))


def _same_layers(module: nn.Module, calls: list[AttentionCall], returned: Returned) -> bool:
    """Whether every pattern that the model returns itself is one call that we saw.

    More patterns than calls: some attention does not reach us. More calls than patterns of one part:
    each is a share of a pattern (differential attention), and only the model knows how they join.
    """
    names = {id(part): name for name, part in module.named_modules()}
    seen = Counter(names.get(id(call.module), "") for call in calls)
    own = Counter(name for name, _ in returned.patterns)
    return own.total() <= seen.total() and all(
        seen[name] == count for name, count in own.items() if name in seen
    )


def _eager_probe(module: nn.Module, inputs: Inputs) -> Probe | None:
    if isinstance(module, PreTrainedModel) and module.config._attn_implementation != "eager":
        return None
    with returned_weights(module) as returned:
        output = run_asking(module, inputs)
    if output is None:
        return None
    shown = {name for name, _ in returned.proven}
    read, unshown = readable(module, inputs, shown)
    own = (*returned.proven, *returned.apart_from({*shown, *read}))
    patterns = [weights for _, weights in own]
    if not patterns and not read:
        return None
    heads = {part.name: part.heads for part in value_parts(module)}
    return Probe(
        tier="eager",
        heads=max([int(pattern.shape[1]) for pattern in patterns] + [heads[name] for name in read]),
        layers=len(patterns) + len(read),
        looks_ahead=bool(read) or any(bool(pattern.float().triu(1).any()) for pattern in patterns),
        output=first_of(output),
        read=read,
        unshown=_left_out(module, {*read, *(name for name, _ in own)}, unshown),
    )


def readable(
    module: nn.Module, inputs: Inputs, shown: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the parts that nothing else shows: whose weights can be read off them, and the others.

    Args:
        module: the whole.
        inputs: of one pass.
        shown: names of parts whose attention is seen already.
    """
    parts = hidden_parts(module, shown)
    found: dict[str, bool] = {}

    def note(name: str, reading: Reading | None) -> None:
        found[name] = reading is not None and found.get(name, True)

    if parts:
        with ValueReader(module, parts, note):
            _run(module, inputs)
    return (
        tuple(name for name, could in found.items() if could),
        tuple(name for name, could in found.items() if not could),
    )


def hidden_parts(module: nn.Module, shown: set[str]) -> list[ValuePart]:
    """List the parts that project values and are not, nor hold or belong to, one that is shown."""
    return [part for part in value_parts(module) if not is_related(part.name, shown)]


def with_attentions(module: nn.Module, inputs: Inputs) -> dict[str, Any]:
    """Ask a model for its weights too, if its forward can be asked."""
    parameters = inspect.signature(module.forward).parameters
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    asked = isinstance(module, PreTrainedModel) and (
        "output_attentions" in parameters or open_ended
    )
    return {**inputs, "output_attentions": True} if asked else dict(inputs)


def run_asking(module: nn.Module, inputs: Inputs) -> Outputs | None:
    """Run a module and ask for its weights; without asking where that is what fails."""
    asked = _run(module, with_attentions(module, inputs))
    return asked if asked is not None else _run(module, inputs)


def copies(inputs: Inputs) -> dict[str, Any]:
    """Give every pass tensors of its own, because a model may write to what it is given."""
    return {name: copied(value) for name, value in inputs.items()}


def _run(
    module: nn.Module, inputs: Mapping[str, Any], observer: Observer | None = None
) -> Outputs | None:
    """Run a module and return everything that it returns; None if it cannot."""
    try:
        with torch.inference_mode(), watch(module, observer) if observer else nullcontext():
            return dict(all_tensors(module(**copies(inputs))))
    except PROBE_ERRORS:
        return None


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
