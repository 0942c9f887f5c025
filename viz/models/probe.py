"""By which tier a model's attention shows, found out by one short run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.models.attention import ATTENTION_NAME, MASKED_NAME, AttentionCall, split_mask
from viz.models.hidden import left_out, readable
from viz.models.model import Tier
from viz.models.outputs import Outputs, first_of
from viz.models.preserve import preserved
from viz.models.returned import Returned, is_related, likely, returned_weights
from viz.models.running import Inputs, run_asking, try_run
from viz.models.softmaxes import Softmaxes
from viz.models.values import value_parts
from viz.models.ways import current_way, eager_way, set_way

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
            if way == "sdpa" and not set_way(module, way):
                continue
            set_way(module, way)
            if (found := _watched_probe(module, inputs, way, as_given=way == given)) is not None:
                return found
        set_way(module, "eager")
        return _eager_probe(module, inputs)


def _watched_probe(module: nn.Module, inputs: Inputs, way: str, *, as_given: bool) -> Probe | None:
    calls: list[AttentionCall] = []
    devices = _cuda_devices(module)
    with torch.random.fork_rng(devices):
        output = try_run(module, inputs, calls.append)
    if output is None or not calls:
        return None
    if isinstance(module, PreTrainedModel):
        with eager_way(module, way) as switched, returned_weights(module) as returned:
            expected = run_asking(module, inputs) if switched else None
        if expected is None and switched and way != "sdpa" and set_way(module, "sdpa"):
            # Its eager attention cannot run; the stock kernel is the next best to compare with.
            expected = try_run(module, inputs)
            set_way(module, way)
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
        try_run(module, inputs)
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
        unshown=left_out(module, {*seen, *read, *written}, (*besides, *unshown)),
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
        unshown=left_out(module, {*read, *(name for name, _ in own)}, unshown),
    )


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


def _cuda_devices(module: nn.Module) -> list[torch.device]:
    first = next(iter([*module.parameters(), *module.buffers()]), None)
    return [first.device] if first is not None and first.device.type == "cuda" else []
