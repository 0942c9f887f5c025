"""Capture one tiny model and compare every pattern with what its own eager attention returns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

import viz
from benchmarks.architectures.inputs import candidates
from benchmarks.architectures.shrink import tiny_model
from viz.capture.positions.units_in_input_order import ArrangedLayer
from viz.capture.replay.module_runs import with_attentions
from viz.capture.tiers.eager import returned_weights
from viz.models.model_outputs import first_output

EXACT = 1e-5

# How far the output may be off where the model computes with its own eager attention, and another kernel shows it.
OTHER_KERNEL = 1e-4

# Types whose one input is a batch to them, frames of a film: which of these is compared.
KEPT_ITEM = {"xclip_vision_model": 0}


@dataclass(slots=True)
class Finding:
    """What became of one model type."""

    model_type: str
    verdict: str = "?"
    tiers: str = ""
    stacks: str = ""
    error: float = 0.0
    output_error: float = 0.0
    why: str = ""
    compared: int = 0
    parts: tuple[str, ...] = ()


def examine(model_type: str) -> Finding:
    """Build, capture, compare."""
    found = _examined(model_type, only_shallow=False)
    if found.verdict in ("not built", "not run"):
        again = _examined(model_type, only_shallow=True)
        if again.verdict not in ("not built", "not run"):
            return again
    return found


def _examined(model_type: str, *, only_shallow: bool) -> Finding:
    """Examine one size; what this script itself cannot do is said like everything else."""
    try:
        return _examine(model_type, only_shallow=only_shallow)
    except Exception as error:
        return Finding(model_type, "not run", why=f"{type(error).__name__}: {error}"[:300])


def _examine(model_type: str, *, only_shallow: bool) -> Finding:
    found = Finding(model_type)
    try:
        module = tiny_model(model_type, only_shallow=only_shallow)
    except Exception as error:
        found.verdict, found.why = "not built", f"{type(error).__name__}: {error}"[:300]
        return found
    reference = copy.deepcopy(module)
    why = "no inputs"
    for asked in _ways(module, reference):
        try:
            torch.manual_seed(0)
            with torch.inference_mode(), returned_weights(reference) as returned:
                reference(**asked)
            inputs = {name: value for name, value in asked.items() if name != "output_attentions"}
            expected = _output(reference, inputs)
            if not torch.isfinite(expected).any():
                # Eager attention of its own may be at fault, which it is not loaded with.
                for one in (module, reference):
                    one.set_attn_implementation("sdpa")
                expected = _output(reference, inputs)
            break
        except Exception as error:
            why = why if why != "no inputs" else f"{type(error).__name__}: {error}"[:300]
    else:
        found.verdict, found.why = "not run", why
        return found
    try:
        model = viz.wrap_model(module)
        torch.manual_seed(0)
        trace = viz.capture(model, inputs, item=KEPT_ITEM.get(model_type))
    except viz.LoupeError as error:
        found.verdict, found.why = "refused", str(error)[:300]
        if not returned.found and "no softmax attention" in str(error):
            found.verdict = "no attention"
        return found
    except Exception as error:
        found.verdict, found.why = "crashed", f"{type(error).__name__}: {error}"[:300]
        return found
    own = getattr(reference.config, "_attn_implementation", None)
    allowed = OTHER_KERNEL if own == "eager" else EXACT
    _compare(found, trace, returned.proven, expected[0], allowed)
    return found


def _output(reference: Any, inputs: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    with torch.inference_mode():
        return first_output(reference(**inputs))


def _ways(module: Any, reference: Any) -> Iterator[dict[str, Any]]:
    """Give inputs with a wish for attentions, and without: a few models fail over the wish."""
    for inputs in candidates(module):
        asked = with_attentions(reference, inputs)
        yield asked
        if asked.keys() != inputs.keys():
            yield inputs


def _compare(
    found: Finding, trace: Any, own: list[tuple[str, Any]], expected: Any, allowed: float
) -> None:
    layers = [(stack, n) for stack in trace.stacks.values() for n in range(stack.layers)]
    found.tiers = ", ".join(sorted({stack.provenance(n).tier for stack, n in layers}))
    found.stacks = ", ".join(
        f"{name} {stack.layers} x {stack.heads(0)}" for name, stack in trace.stacks.items()
    )
    found.parts = tuple(stack.record(n).name for stack, n in layers)
    if trace.output.shape == expected.shape:
        scale = max(1.0, float(expected.float().nan_to_num(0.0).abs().max()))
        # Where eager attention itself divides 0 by 0, in rows of padding, nothing can be compared.
        known = torch.isfinite(expected)
        apart = (trace.output - expected)[known].abs()
        found.output_error = float(apart.max()) / scale if known.any() else 0.0
    by_name: dict[str, list[Any]] = {}
    for name, weights in own:
        by_name.setdefault(name, []).append(weights)
    for stack, n in layers:
        queue = by_name.get(stack.record(n).name)
        if not queue:
            continue
        theirs = queue.pop(0)
        mine = as_called(stack.record(n))
        if found.model_type in KEPT_ITEM and len(theirs) > 1:
            item = KEPT_ITEM[found.model_type]
            theirs = theirs[item : item + 1]
        mine = own_streams(mine, theirs)
        theirs = flat(theirs.float(), mine.shape)
        if theirs is None:
            found.verdict, found.why = (
                "wrong",
                f"shape {tuple(mine.shape)} in {stack.record(n).name}",
            )
            return
        found.error = max(found.error, distance(mine, theirs))
        found.compared += 1
    good = found.error <= EXACT and found.output_error <= allowed
    agreed = "exact" if found.compared == len(layers) else "exact by its output"
    found.verdict = agreed if good else "wrong"


def as_called(record: Any) -> Any:
    """Write a layer out in the order in which the model called it: [head, query, key]."""
    record = record.inner if isinstance(record, ArrangedLayer) else record
    weights, first = record.rows(slice(0, record.heads), torch.arange(record.shape[0]))
    whole = weights.new_zeros(record.heads, *record.shape)
    whole[:, :, first : first + weights.shape[-1]] = weights
    return whole


def own_streams(mine: Any, theirs: Any) -> Any:
    """Take the first of several streams, which is all that ProphetNet returns."""
    queries, keys = mine.shape[1:]
    length = theirs.shape[-1]
    first = queries == keys > length and keys % length == 0 and theirs.shape[-2] == length
    return mine[:, :length, :length] if first and len(theirs) == 1 else mine


def distance(mine: Any, theirs: Any) -> float:
    """Compare patterns; a model may return them before its sink took its share, or head by head
    averaged, and then what is comparable is compared."""
    sums = mine.sum(dim=-1, keepdim=True)
    # A row whose mask leaves nothing to look at means nothing: it is zero here, and uniform in the
    # eager weights, a softmax over as many equal minima.
    blind = sums == 0
    theirs, sums = theirs.masked_fill(blind, 0.0), sums.masked_fill(blind, 1.0)
    apart = float((mine - theirs).abs().max())
    if apart > EXACT:
        if float(sums.min()) < 1 - EXACT:
            apart = min(apart, float((mine / sums - theirs).abs().max()))
        if float((theirs - theirs[:1]).abs().max()) == 0:
            apart = min(apart, float((mine.mean(dim=0) - theirs[0]).abs().max()))
    return apart


def flat(theirs: Any, shape: torch.Size) -> Any | None:
    """Lay windows of a batch out as one block-diagonal pattern."""
    if theirs.shape[0] == 1 and theirs.shape[1:] == shape:
        return theirs[0]
    windows, heads, wide, long = theirs.shape
    if (heads, windows * wide, windows * long) != tuple(shape):
        return None
    out = torch.zeros(shape)
    for w in range(windows):
        out[:, w * wide : (w + 1) * wide, w * long : (w + 1) * long] = theirs[w]
    return out


def as_row(found: Finding) -> dict[str, Any]:
    """Return plain values for a file."""
    return asdict(found)
