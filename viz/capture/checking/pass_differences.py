"""How far passes of one model lie apart, and why: chance, eager attention of its own, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from typing import Any

import torch
from torch import Tensor

from viz.capture.checking.random_draws import Chance
from viz.capture.checking.reference_pass import OwnPass, plain_pass
from viz.capture.trace import Trace
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.model_outputs import Outputs, all_tensors, first_output

# Passes that drew other numbers lie about as far apart as two that were let draw freely.
SIMILAR = 0.1


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two passes are from the model as it was given.

    Attributes:
        captured: of the captured pass, the largest difference of the output as a share of its size.
        eager: the same of the eager pass; NaN where it could not run.
        reason: why they cannot be compared with each other, or nothing.
        incomparable: whether a difference of weights would say nothing about the captured ones.
    """

    captured: float
    eager: float
    reason: str = ""
    incomparable: bool = False


def passes_apart(
    model: Model,
    prepared: Prepared,
    trace: Trace,
    own: OwnPass,
    chance: Chance,
    allowed: float,
) -> Apart:
    """Run a model as it was given, and say how far its captured and its eager pass are from that.

    Args:
        model: at rest.
        prepared: what it was given.
        trace: of the captured pass.
        own: of the eager pass.
        chance: the random numbers from which both started; left as the last pass left them.
        allowed: what rounding allows.

    Cost: one pass; one or two more where a difference has to be explained.
    """
    chance.restore()
    result = plain_pass(model, prepared)
    drew = chance.moved()
    given = _results(result)
    output = first_output(result)
    mine = output[min(prepared.item, len(output) - 1)]
    captured = _share(trace.output, mine, _real(prepared, output))
    eager = _largest_share(own.results(), given, prepared) if own.outputs else nan
    if not (captured > allowed or eager > allowed):
        return Apart(captured, eager)
    chance.restore()
    again = _largest_share(_results(plain_pass(model, prepared)), given, prepared)
    if again > allowed:
        if drew:
            why = f"two plain passes from one state of the random numbers lie {again:.1%} apart"
            return Apart(captured, eager, f"this model draws at random: {why}", True)
        return Apart(
            captured,
            eager,
            f"this model does not compute the same twice: two plain passes lie {again:.1%} apart",
        )
    furthest = max(captured, 0.0 if isnan(eager) else eager)
    if drew:
        # Not put back: from where the last pass left the random numbers.
        freely = _largest_share(_results(plain_pass(model, prepared)), given, prepared)
        if freely > SIMILAR * furthest:
            return Apart(
                captured,
                eager,
                "this model draws at random, and not the same numbers in each way to attend: the "
                f"outputs lie {furthest:.1%} apart, and those of two plain passes {freely:.1%}",
                True,
            )
    if captured > allowed:
        return Apart(captured, eager)
    return Apart(
        captured,
        eager,
        "the model's eager attention computes something else than the model as it was given: its "
        f"output is {_off(eager)}",
        True,
    )


def _results(result: Any) -> Outputs:
    return {path: one for path, one in all_tensors(result) if "attentions" not in path}


def _largest_share(outputs: Outputs, given: Outputs, prepared: Prepared) -> float:
    """The largest difference of anything that both passes returned, for the item that is kept."""
    shares = [
        _share(_item(outputs[path], prepared), _item(one, prepared), _real(prepared, one))
        for path, one in given.items()
        if path in outputs and one.is_floating_point() and one.ndim and _has_place(path)
    ]
    return max(shares, default=nan)


def _has_place(path: str) -> bool:
    """Whether a pass that returns more has the same under this way: by its name, or as the first."""
    return path in ("", "/0") or not path[1:].partition("/")[0].isdigit()


def _off(share: float) -> str:
    return f"{share:.1%} off" if isfinite(share) else "not finite, or of another shape"


def _item(tensor: Tensor, prepared: Prepared) -> Tensor:
    """Take the item that is kept out of what has one for each input."""
    return tensor[prepared.item] if len(tensor) == prepared.batch else tensor


def _real(prepared: Prepared, output: Tensor) -> Tensor | None:
    """Say which positions of an output are no padding, whose output is nobody's; None for all."""
    mask = prepared.inputs.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or output.ndim < 2:
        return None
    if any(name.startswith("decoder_") for name in prepared.inputs):
        return None  # whose mask it is cannot be told by its length
    if output.shape[:2] != mask.shape or len(mask) != prepared.batch:
        return None
    real = mask[prepared.item] != 0
    return real if bool(real.any()) else None


def _share(mine: Tensor | None, given: Tensor, real: Tensor | None) -> float:
    """The largest difference between two outputs as a share of the largest number that was given."""
    if mine is None or mine.shape != given.shape:
        return inf
    if real is not None:
        mine, given = mine[real], given[real]
    known = torch.isfinite(given)
    apart = (mine.to(given.device).float() - given.float())[known].abs()
    if not apart.numel():
        return 0.0
    largest = float(apart.max())
    return (inf if isnan(largest) else largest) / (float(given[known].float().abs().max()) or 1.0)
