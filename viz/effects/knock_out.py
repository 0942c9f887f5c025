"""What a prediction becomes without a head: its output set to 0 before the output projection."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from viz.capture.capture import capture_prepared
from viz.capture.stack import unit_numbers
from viz.capture.tiers.registry import edit
from viz.capture.trace import Trace
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.target import Objective, Target, objective
from viz.errors import CaptureError, InputError
from viz.inputs.input_copies import copies
from viz.inputs.modalities import prepare_any
from viz.models import Model
from viz.models.argument_checks import require_model
from viz.models.model_outputs import first_output

# Variants that are run in one batch, and the numbers that their logits may have together (512 MB in float32).
MOST_VARIANTS = 16
MOST_LOGITS = 1 << 27


@dataclass(frozen=True, slots=True)
class Head:
    """One head of a trace."""

    layer: int
    head: int
    stack: str = "self"


@dataclass(frozen=True, slots=True)
class KnockOuts:
    """A prediction with and without heads.

    Attributes:
        trace: the pass with all of them.
        objective: the prediction.
        value: of it with all heads.
        without: of it without each head, in the order asked for.
        heads: that were knocked out, one after the other.
    """

    trace: Trace
    objective: Objective
    value: float
    without: tuple[float, ...]
    heads: tuple[Head, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Columns stack, layer, head, without, change (without - with); the largest change first."""
        rows = pd.DataFrame(
            [
                {"stack": one.stack, "layer": one.layer, "head": one.head, "without": value}
                for one, value in zip(self.heads, self.without, strict=True)
            ],
            columns=["stack", "layer", "head", "without"],
        )
        rows["change"] = rows["without"] - self.value
        order = rows["change"].abs().sort_values(ascending=False, kind="stable").index
        return rows.loc[order].reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class _Call:
    """One attention call of a pass: the part that makes it, and which of its calls."""

    name: str
    turn: int


def knock_out(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    heads: Sequence[Head | tuple[int, int]] | None = None,
    queries: Sequence[int] | None = None,
    pair: str | None = None,
    target: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KnockOuts:
    """Run a model without each of some heads, exactly.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, its attention seen at transformers' registry.
        inputs: a text, or the model's own inputs; one input.
        explained: the prediction; by default the last position's first token against its runner-up.
        heads: to be knocked out one by one, as `Head` or (layer, head) of the stack `self`; all by default.
        queries: positions at which they are silenced; all by default.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        progress: called with how many heads are done, and of how many; may raise to cancel.

    Raises:
        InputError, ShapeError: the target, a head or a position is none of this model's, or there are several
            inputs.
        CaptureError: the model's attention is not called at the registry.
        VerificationError: the same pass in a batch returns something else, so that its inputs are not apart.

    Cost: the capture, and a pass for each head, up to 16 in one batch.
    """
    require_model(model)
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=None, sound=None, item=None
    )
    if prepared.batch > 1:
        raise InputError(
            f"There are {prepared.batch} inputs in the batch.",
            "Give the one that is to be explained.",
        )
    trace = capture_prepared(model, prepared)
    chosen = objective(explained or Target(), trace, model.tokenizer)
    calls = _calls(trace)
    wanted = _wanted(trace, heads)
    for one in wanted:
        own = trace.stacks[one.stack]
        own.record_with(one.layer, one.head)
        unit_numbers(queries, len(own.queries), "query", torch.device("cpu"))
    assert trace.output is not None
    room = max(1, min(MOST_VARIANTS, MOST_LOGITS // trace.output.numel() - 1))
    without: list[float] = []
    value = float(chosen.of(trace.output))
    for start in range(0, len(wanted), room):
        some = wanted[start : start + room]
        logits = _run(model, prepared.inputs, [(calls[one], one.head) for one in some], queries)
        require_same(logits[0], trace, "in a batch, whose inputs may look at one another")
        # What is compared was computed in one batch, so that its rounding takes no part.
        shift = value - float(chosen.of(logits[0]))
        without += [float(chosen.of(one)) + shift for one in logits[1:]]
        if progress is not None:
            progress(len(without), len(wanted))
    return KnockOuts(trace, chosen, value, tuple(without), tuple(wanted))


def _calls(trace: Trace) -> dict[Head, _Call]:
    """Find the call of a pass that makes each head of a trace."""
    turns: Counter[str] = Counter()
    found: dict[Head, _Call] = {}
    for name, stack in trace.stacks.items():
        for layer, record in enumerate(stack.records):
            call = _Call(record.name, turns[record.name])
            turns[record.name] += 1
            found |= {Head(layer, head, name): call for head in range(record.heads)}
    return found


def _wanted(trace: Trace, heads: Sequence[Head | tuple[int, int]] | None) -> list[Head]:
    if heads is None:
        return list(_calls(trace))
    return [one if isinstance(one, Head) else Head(*one) for one in heads]


@torch.inference_mode()
def _run(
    model: Model,
    inputs: Mapping[str, Any],
    silenced: Sequence[tuple[_Call, int]],
    queries: Sequence[int] | None,
) -> Tensor:
    """Run the model as it is and once for each head without it, in one batch; logits [1 + variant, ..]."""
    names = {id(part): name for name, part in model.module.named_modules()}
    by_call: dict[_Call, list[tuple[int, int]]] = defaultdict(list)
    for variant, (call, head) in enumerate(silenced, start=1):
        by_call[call].append((variant, head))
    turns: Counter[str] = Counter()
    rows = slice(None) if queries is None else list(queries)

    def silence(part: nn.Module, output: Tensor) -> Tensor:
        call = _Call(names[id(part)], turns[names[id(part)]])
        turns[call.name] += 1
        if call not in by_call:
            return output
        output = output.clone()
        for variant, head in by_call[call]:
            output[variant, rows, head] = 0
        return output

    with as_captured(model), edit(silence):
        result = model.module(**dict(_repeated(copies(inputs), 1 + len(silenced))))
    if missing := {call.name for call in by_call if not turns[call.name]}:
        raise CaptureError(
            f"Layer {min(missing)} of {model.name} made no call that could be changed.",
            "Choose a model of the tier registry.",
        )
    return first_output(result)


def _repeated(inputs: Mapping[str, Any], count: int) -> Iterator[tuple[str, Any]]:
    for name, value in inputs.items():
        if isinstance(value, Tensor) and value.ndim and len(value) == 1:
            yield name, value.expand(count, *value.shape[1:]).clone()
        elif isinstance(value, (Tensor, bool, int, float, str)) or value is None:
            yield name, value
        else:
            raise InputError(
                f"The input {name} is {type(value).__name__}, which cannot be repeated for each head.",
                "Leave it out, or give the whole text.",
            )
