"""Whether a model decides by what it reads where its heads may look, so that a change in one layer moves later masks.

Doge computes its mask from the values, and sparse attention chooses the keys that it keeps: what was recorded of such a
layer holds only as long as nothing before it changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.tiers.registry import AttentionCall, observe
from viz.effects.attention_calls import calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.pass_variants import HeadEdit, PassVariants
from viz.errors import LoupeError

# How far what is added to the scores may be apart by rounding alone.
APART = 1e-3


def masks_follow_content(captured: CapturedPass) -> bool:
    """Whether masks or biases change once the heads of the first layers are silenced; found out once for a pass.

    Cost: nothing where every mask is a rule and nothing is added to the scores; else a pass of two inputs.
    """
    known = captured.known
    if "masks follow content" not in known:
        known["masks follow content"] = _found(captured)
    return bool(known["masks follow content"])


def _found(captured: CapturedPass) -> bool:
    records = [one for stack in captured.trace.stacks.values() for one in stack.records]
    fixed = (
        isinstance(one, RecordedLayer) and isinstance(one.mask, Spans) and one.bias is None
        for one in records
    )
    if all(fixed):
        return False
    calls = calls_of(captured.trace)
    first = [
        HeadEdit(calls[name, 0], slice(0, stack.records[0].heads), torch.zeros(1, 1, 1))
        for name, stack in captured.trace.stacks.items()
    ]
    seen = _Watch()
    try:
        with observe(seen):
            PassVariants(captured, None)([first])
    except LoupeError:
        # What cannot be run so is not known to be fixed.
        return True
    return seen.moved


@dataclass(slots=True)
class _Watch:
    """Compares what two inputs of a pass may look at."""

    moved: bool = False

    def __call__(self, call: AttentionCall) -> None:
        self.moved |= any(map(_differs, (call.mask, call.bias, call.sinks)))


def _differs(given: Tensor | None) -> bool:
    if given is None or given.ndim != 4 or len(given) != 2:
        return False
    one, other = given
    if given.dtype == torch.bool:
        return not torch.equal(one, other)
    return not torch.allclose(one.float(), other.float(), atol=APART, rtol=APART)
