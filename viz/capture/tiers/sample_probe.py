"""What a short run of a model tells about it: whether its attention shows, and in which way."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from viz.capture.replay.module_runs import try_run, with_attentions
from viz.capture.tiers.attention_implementations import switched
from viz.capture.tiers.compare_outputs import difference
from viz.capture.tiers.eager import returned_weights
from viz.capture.tiers.observation import Observation
from viz.capture.tiers.plans import plans_to_try
from viz.capture.tiers.registry import AttentionCall
from viz.capture.tiers.value_probe import Reading
from viz.inputs.input_copies import Inputs, copies
from viz.models.forward_errors import RUN_ERRORS
from viz.models.model import Plan, Tier
from viz.models.model_outputs import Outputs, all_tensors, first_of
from viz.models.preserve_state import preserved


@dataclass(frozen=True, slots=True)
class Probe:
    """What one short run tells about a model; each capture finds it out anew for its own inputs.

    Attributes:
        plan: in which way the attention showed.
        tier: by which tier.
        heads: of a layer, at most.
        layers: attention layers.
        looks_ahead: whether any query looks at a later key.
        output: what came out first, [1, ...].
        read: parts that no kernel shows, but whose weights can be read off them.
        written: parts that write their softmax out by hand.
        unshown: parts that mix tokens and do not show.
    """

    plan: Plan
    tier: Tier
    heads: int
    layers: int
    looks_ahead: bool
    output: Tensor
    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()


def probe(module: nn.Module, inputs: Inputs) -> Probe | None:
    """Find out in which way a model's attention shows on a sample; None if in none, or if it cannot run.

    Cost: a pass, and one more for every way but the first.
    """
    best: Probe | None = None
    # Models that draw random numbers must not draw others because they were probed.
    with torch.random.fork_rng(cuda_devices(module)), preserved(module):
        expected = try_run(module, inputs)
        if expected is None:
            return None
        for plan in plans_to_try(module):
            found = _try(module, inputs, plan, expected)
            if found is not None and (best is None or len(found.unshown) < len(best.unshown)):
                best = found
            if best is not None and not best.unshown:
                break
    return best


def _try(module: nn.Module, inputs: Inputs, plan: Plan, expected: Outputs) -> Probe | None:
    with switched(module, plan.way) as changed, torch.random.fork_rng(cuda_devices(module)):
        if plan.way is not None and not changed:
            return None
        observation = Observation(module, _ignore_call, _ignore_reading)
        asked = with_attentions(module, inputs) if plan.asked else inputs
        returning = returned_weights(module) if plan.asked else nullcontext()
        try:
            with returning as returned, observation, torch.inference_mode():
                output = dict(all_tensors(module(**copies(asked))))
        except RUN_ERRORS:
            return None
    apart, allowed = difference(output, expected)
    # Negated, so that what is no number does not pass.
    if not plan.as_given and not apart <= allowed:
        return None
    own = [] if returned is None else returned.proven_apart_from(observation.shown)
    heads = [observation.heads, *(int(weights.shape[1]) for _, weights in own)]
    if observation.layers + len(own) == 0:
        return None
    names = dict.fromkeys(name for name, _ in (*observation.written, *own))
    return Probe(
        plan=replace_plan(plan, observation),
        tier=tier_of(observation, asked=bool(own)),
        heads=max(heads),
        layers=observation.layers + len(own),
        looks_ahead=observation.looks_ahead
        or any(bool(weights.float().triu(1).any()) for _, weights in own),
        output=first_of(output),
        read=tuple(observation.read),
        written=tuple(names),
        unshown=observation.unshown(also=names),
    )


def replace_plan(plan: Plan, observation: Observation) -> Plan:
    """Say of a plan what its pass has shown, so that the next need not watch everything."""
    return Plan(
        given=plan.given,
        way=plan.way,
        asked=plan.asked,
        by_kernel=frozenset(observation.seen),
        registry=observation.at_registry_alone and not plan.asked,
    )


def tier_of(observation: Observation, *, asked: bool) -> Tier:
    """Name the tier that shows a model's layers, the costliest where there are several."""
    if asked or observation.written:
        return "eager"
    return "hooks" if observation.at_kernel or observation.read else "registry"


def cuda_devices(module: nn.Module) -> list[torch.device]:
    """Return the CUDA device of a module, if it is on one."""
    first = next(iter([*module.parameters(), *module.buffers()]), None)
    return [first.device] if first is not None and first.device.type == "cuda" else []


def _ignore_call(_call: AttentionCall) -> None:
    """Keep nothing of a call."""


def _ignore_reading(_reading: Reading) -> None:
    """Keep nothing of a reading."""
