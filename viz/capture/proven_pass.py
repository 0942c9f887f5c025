"""Each capture proves itself, on its own input, against the model as it was given.

A pass that leaves the model as it is, and only watches, computes what the model computes. Any other has
to return the same as a pass of the model alone, from the same random numbers; where it does not, the
next way is tried, and last it is refused with the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.fused_layers import may_leave_parts_out
from viz.capture.observed_pass import Shown, Telling, run_observed
from viz.capture.positions.units_in_input_order import arrange
from viz.capture.tiers.attention_implementations import switched
from viz.capture.tiers.compare_outputs import difference
from viz.capture.tiers.plans import plans_to_try
from viz.capture.tiers.refusals import refuse_attention
from viz.errors import CaptureError, LoupeError, VerificationError
from viz.inputs.input_copies import copies
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.model import Plan
from viz.models.model_outputs import Outputs, all_tensors
from viz.models.preserve_state import preserved
from viz.models.random_state import random_state, restore_random


def show_proven(model: Model, prepared: Prepared, inputs: dict[str, Any], tell: Telling) -> Shown:
    """Run a model in the first way that shows all of its attention and computes what it computes.

    Raises:
        VerificationError: no way does, with the figures of the first that failed.
        ModelRefusedError: the model has no attention that shows.

    Cost: the plain pass; one more where the model computes with its own eager attention, or where weights
    are read off parts; more in a first capture, or where an input takes another path than the last.
    """
    truth = _Truth(model, inputs)
    failures: list[LoupeError] = []
    best: tuple[Shown, Plan] | None = None
    tried: set[Plan] = set()
    hopeless: set[str] = set()
    for plan in plans_to_try(model.module, model.plan):
        if best is not None and not best[0].undecided:
            break
        if plan in tried:
            continue
        tried.add(plan)
        try:
            shown = _attempt(model, prepared, inputs, plan, tell, truth, hopeless)
        except Exception as error:
            tell.reraise()
            if isinstance(error, LoupeError):
                failures.append(error)
            if not truth.is_finite():
                break
            continue
        hopeless |= set(shown.unread) if shown is not None else set()
        # What takes another path than the last pass is left to the next plan, which watches everything.
        if shown is None or not shown.layers or _took_another_path(plan, shown):
            continue
        if best is None or len(shown.unread) < len(best[0].unread):
            best = shown, plan
    if best is None:
        truth.require()
        raise failures[0] if failures else refuse_attention(model.module, inputs, model.name)
    shown, plan = best
    with switched(model.module, plan.way), preserved(model.module):
        layers = arrange(shown.layers, model.module, inputs, prepared.batch, prepared.item)
    return replace(shown, layers=layers)


def not_finite(name: str) -> CaptureError:
    """Say that what a model returns is no numbers."""
    return CaptureError(
        f"The output of {name} is not finite (NaN or infinity), so its attention means nothing.",
        "Check the model's weights, choose dtype float32, or load it with another attn_implementation.",
    )


def _took_another_path(plan: Plan, shown: Shown) -> bool:
    """Whether a pass that watched only some parts did not see just those."""
    return bool(plan.by_kernel) and shown.plan.by_kernel != plan.by_kernel


def _attempt(
    model: Model,
    prepared: Prepared,
    inputs: dict[str, Any],
    plan: Plan,
    tell: Telling,
    truth: _Truth,
    hopeless: Collection[str],
) -> Shown | None:
    """Run by a plan, and compare what came out; None where the model cannot be set to it."""

    def run() -> Shown | None:
        with switched(model.module, plan.way) as changed, preserved(model.module):
            if plan.way is not None and not changed:
                return None
            return run_observed(model, prepared, inputs, plan, tell, hopeless)

    # Only where a way was tried before, because random numbers are everyone's.
    if truth.tried and not _same_state(truth.state, random_state()):
        restore_random(truth.state)
    truth.tried = True
    shown = run()
    if shown is None or not shown.layers:
        return shown
    # Where parts were read off, they ran again within the pass, and may have left something behind.
    if not plan.as_given or shown.read or may_leave_parts_out(model.module):
        apart, allowed = difference(_outputs(shown), truth.require())
        if not apart <= allowed and not _same_state(truth.state, random_state()):
            # It draws at random, so that only passes from the same numbers can be compared.
            restore_random(truth.state)
            expected = truth.run()
            restore_random(truth.state)
            shown = run() or shown
            apart, allowed = difference(_outputs(shown), expected)
        # Negated, so that NaN does not pass.
        if not apart <= allowed:
            if not truth.is_finite():
                raise not_finite(model.name)
            raise _refuse_unequal(model, plan, apart, allowed)
    return shown


def _outputs(shown: Shown) -> Outputs:
    return dict(all_tensors(shown.result))


def _same_state(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(before, after) for before, after in zip(one, other, strict=True))


def _refuse_unequal(model: Model, plan: Plan, apart: float, allowed: float) -> VerificationError:
    """Say that a way computes something else than the model as it was given."""
    if plan.as_given and may_leave_parts_out(model.module):
        return VerificationError(
            f"PyTorch's fused layers leave out what was put on linear parts of {model.name} (an adapter?), "
            f"which takes part where a pass is watched: outputs are {apart:.2g} apart as a share of their "
            f"size, allowed {allowed:.2g}.",
            "Merge the adapter, or let it take part: torch.backends.mha.set_fastpath_enabled(False).",
        )
    given = " and ".join(sorted(plan.given)) or "its own attention"
    way = f"with {plan.way} attention" if plan.way else "when its parts are run again"
    return VerificationError(
        f"{model.name} was given with {given}, and computes something else {way}: its outputs are "
        f"{apart:.2g} apart as a share of their size, allowed {allowed:.2g}.",
        "Its pattern is not shown because it would mislead; load the model with another "
        "attn_implementation (sdpa or eager), whose attention may show.",
    )


def run_alone(module: nn.Module, inputs: Mapping[str, Any]) -> Any:
    """Run a model as it is, with nobody watching, and leave it as it was."""
    with torch.inference_mode(), preserved(module):
        return module(**copies(inputs))


class _Truth:
    """What a model computes for some inputs when nobody watches, found out once it is asked for.

    Attributes:
        state: of the random numbers before anything ran.
        tried: whether a way was tried already.
    """

    def __init__(self, model: Model, inputs: dict[str, Any]) -> None:
        self._model = model
        self._inputs = inputs
        self._outputs: Outputs | None = None
        self.state = random_state()
        self.tried = False

    def require(self) -> Outputs:
        """Return all that the model alone returns; whatever it raises is the fault of its inputs."""
        if self._outputs is None:
            self._outputs = self.run()
        return self._outputs

    def run(self) -> Outputs:
        """Run the model alone."""
        return dict(all_tensors(run_alone(self._model.module, self._inputs)))

    def is_finite(self) -> bool:
        """Whether the model returns numbers alone; masked logits are infinite, and are no NaN."""
        return not any(bool(torch.isnan(one).any()) for one in self.require().values())
