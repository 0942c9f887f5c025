"""What a prediction becomes without a head, without all heads of a layer, or without its MLP, exactly.

What heads put out is replaced before the output projection, what an MLP puts out where it is added to the residual
stream: by 0, by its mean over positions, or by what the same part puts out for a second text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import pandas as pd
import torch

from viz.capture.stack import unit_numbers
from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.head_states import HeadStates, head_states
from viz.effects.mlp_parts import mlp_states
from viz.effects.one_token import OneToken
from viz.effects.pass_variants import Edits
from viz.effects.replacements import Head, Mlp, Replacement, Together, head_edit, mlp_edit
from viz.effects.target import Objective, Target, is_whole
from viz.effects.variants import predicted_without
from viz.errors import InputError, ShapeError
from viz.models import Model

# What is knocked out in one variant.
Part = Head | Mlp | Together


@dataclass(frozen=True, slots=True)
class KnockOuts:
    """A prediction with and without heads.

    Attributes:
        trace: the pass with all of them.
        objective: the prediction.
        value: of it with all heads.
        without: of it without each head, in the order asked for.
        heads: that were knocked out, one after the other.
        replacement: what took the place of their output.
    """

    trace: Trace
    objective: Objective
    value: float
    without: tuple[float, ...]
    heads: tuple[Part, ...]
    replacement: Replacement

    @property
    def table(self) -> pd.DataFrame:
        """Columns part, stack, layer, head, without, change (without - with); the largest change first.

        The part is "head", "attention" where all heads of a layer were knocked out, "mlp", or "several" of what was
        knocked out together; head is <NA> of all but the first, and layer and stack of the last.
        """
        fields = ("stack", "layer", "head")
        rows = pd.DataFrame(
            [
                [_kind(one), *(getattr(one, name, None) for name in fields), value]
                for one, value in zip(self.heads, self.without, strict=True)
            ],
            columns=["part", *fields, "without"],
        ).astype({"layer": "Int64", "head": "Int64"})
        rows["change"] = rows["without"] - self.value
        return rows.sort_values(
            "change", key=abs, ascending=False, kind="stable", ignore_index=True
        )


def _kind(one: Part) -> str:
    if isinstance(one, Together):
        return "several"
    if isinstance(one, Mlp):
        return "mlp"
    return "attention" if one.head is None else "head"


def knock_out(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    heads: Sequence[Part | tuple[int, int | None]] | None = None,
    queries: Sequence[int] | None = None,
    replacement: Replacement = "zero",
    other: str | Mapping[str, Any] | None = None,
    pair: str | None = None,
    target: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KnockOuts:
    """Run a model without each of some heads, exactly.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs; one input.
        explained: the prediction; by default the last position's first token against its runner-up.
        heads: to be knocked out one by one, as `Head` or (layer, head) of the stack `self`; all by default. Where head
            is None, all heads of the layer at once. `Mlp` is what the layer adds beside them; what is in one
            `Together` is silenced at once.
        queries: positions at which they are silenced; all by default.
        replacement: what takes the place of a head's output: 0, its mean over all positions, or what it puts out at
            the same position of another text.
        other: that text, or the model's own inputs, as many tokens long.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        progress: called with how many heads are done, and of how many; may raise to cancel.

    Raises:
        InputError, ShapeError: the target, a head or a position is none of this model's, there are several inputs, or
            the other text is of another length.
        CaptureError: what the model's heads put out is not at hand.
        ModelRefusedError: an MLP is to be knocked out, and the model has no residual stream to which it adds.
        VerificationError: the same pass in a batch returns something else, so that its inputs are not apart.

    Cost: the capture, and a pass for each head, up to 16 in one batch. In a decoder, and where they are silenced at the
    position of the prediction alone: one pass, and a token for each head.
    """
    captured = captured_pass(model, inputs, explained, pair=pair, target=target)
    theirs = None
    if other is not None:
        theirs = captured_pass(model, other, pair=pair, target=target)
    return knock_out_of(
        captured,
        heads=heads,
        queries=queries,
        replacement=replacement,
        other=theirs,
        progress=progress,
    )


def knock_out_of(
    captured: CapturedPass,
    *,
    heads: Sequence[Part | tuple[int, int | None]] | None = None,
    queries: Sequence[int] | None = None,
    replacement: Replacement = "zero",
    other: CapturedPass | None = None,
    states: Mapping[str, Sequence[HeadStates]] | None = None,
    ready: OneToken | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KnockOuts:
    """Run a captured pass without each of some heads; arguments and errors as in `knock_out`.

    Args besides: states, what its heads put out, and ready, its position in single tokens, where they are known.
    """
    trace = captured.trace
    if replacement not in get_args(Replacement):
        raise InputError(
            f"There is no replacement {replacement!r}.",
            f"Choose one of {', '.join(get_args(Replacement))}.",
        )
    if (other is None) == (replacement == "resample"):
        raise InputError(
            "A second text goes with replacement='resample', and only with it.",
            "Give both, or neither.",
        )
    wanted = _wanted(trace, heads)
    parts = [one.parts if isinstance(one, Together) else (one,) for one in wanted]
    every = [one for several in parts for one in several]
    rows = _rows(trace, every, queries)
    at_target = rows == [captured.objective.position]
    if states is None and (replacement == "mean" or at_target):
        states = head_states(captured)
    source = states if other is None else _other_states(other, trace)
    mlps, of_mlps = {}, {}
    if any(isinstance(one, Mlp) for one in every):
        mlps = mlp_states(captured)
        of_mlps = mlps if other is None else mlp_states(other)
    variants: list[Edits] = [
        [
            edit
            for one in several
            for edit in (
                mlp_edit(one, mlps, of_mlps, replacement)
                if isinstance(one, Mlp)
                else [head_edit(trace, one, replacement, source)]
            )
        ]
        for several in parts
    ]
    without = predicted_without(
        captured, variants, rows=rows, states=states, ready=ready, progress=progress
    )
    return KnockOuts(trace, captured.objective, captured.value, without, tuple(wanted), replacement)


def _wanted(trace: Trace, heads: Sequence[Part | tuple[int, int | None]] | None) -> list[Part]:
    """List what is to be knocked out, one after the other.

    Raises:
        InputError: nothing is, or something else than a part.
        ShapeError: one of them is none of the trace's.
    """
    if heads is None:
        return [
            Head(layer, head, name)
            for name, stack in trace.stacks.items()
            for layer in range(stack.layers)
            for head in range(stack.heads(layer))
        ]
    if isinstance(heads, (Head, Mlp, Together)) or not isinstance(heads, Sequence) or not heads:
        raise InputError(
            f"The heads are {heads!r:.60}.",
            "Give a list of them, such as [(3, 1)] or [Head(3, 1)].",
        )
    wanted = [_part(one) for one in heads]
    for one in wanted:
        for part in one.parts if isinstance(one, Together) else (one,):
            _require_part(trace, part)
    return wanted


def _part(one: Any) -> Part:
    """Read one thing that is to be knocked out.

    Raises:
        InputError: it is none.
    """
    if isinstance(one, (Head, Mlp, Together)):
        return one
    pair = one if isinstance(one, tuple) and len(one) == 2 else (None, None)
    layer, head = pair
    if not is_whole(layer) or not (head is None or is_whole(head)):
        raise InputError(
            f"{one!r:.60} is no head.",
            "Give (layer, head), (layer, None) for all heads of a layer, Mlp(layer) or Together((...)).",
        )
    return Head(int(cast("int", layer)), None if head is None else int(head))


def _require_part(trace: Trace, one: Head | Mlp) -> None:
    """Make sure that a trace has a head, or a layer."""
    if one.stack not in trace.stacks:
        raise ShapeError(
            f"There is no stack {one.stack!r}.", f"Choose one of {', '.join(trace.stacks)}."
        )
    stack = trace.stacks[one.stack]
    if isinstance(one, Mlp) or one.head is None:
        stack.record(one.layer)
    else:
        stack.record_with(one.layer, one.head)


def _rows(
    trace: Trace, wanted: Sequence[Head | Mlp], queries: Sequence[int] | None
) -> list[int] | None:
    """Return the positions at which heads are silenced, from 0; None for all.

    Raises:
        ShapeError: a stack has no such position.
    """
    if queries is None:
        return None
    listed: Any = queries
    if isinstance(listed, str) or not hasattr(listed, "__len__") or not len(listed):
        raise InputError(
            f"The queries are {queries!r:.60}.", "Give a list of positions, or None for all."
        )
    found: list[int] = []
    for one in {one.stack: one for one in wanted}.values():
        count = len(trace.stacks[one.stack].queries)
        found = unit_numbers(queries, count, "query", torch.device("cpu")).tolist()
    return found


def _other_states(other: CapturedPass, trace: Trace) -> dict[str, list[HeadStates]]:
    """Find what heads put out for another text of the same length.

    Raises:
        InputError: it has another.
    """
    for name, stack in trace.stacks.items():
        theirs = other.trace.stacks
        found = len(theirs[name].queries) if name in theirs else 0
        if found != len(stack.queries):
            raise InputError(
                f"The other text has {found} {stack.queries.kind}s, and the one to be explained "
                f"{len(stack.queries)}.",
                "Give one that is as long, such as the same with other names in it.",
            )
    return head_states(other)
