"""What a prediction becomes without each head of a model, one at a time, where the prediction is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass
from viz.effects.head_states import HeadStates
from viz.effects.knock_out import KnockOuts, knock_out_of
from viz.effects.one_token import OneToken
from viz.effects.replacements import Head
from viz.effects.target import Objective
from viz.errors import ShapeError

# Multiplications of whole passes that nobody has to ask for: some seconds on two cores.
UNASKED = 3e11

States = Mapping[str, Sequence[HeadStates]]


def is_read_at(trace: Trace, chosen: Objective, stack: str) -> bool:
    """Whether the rows of a stack stand where predictions are made, so that heads can be silenced at one of them.

    Those of an encoder whose text another stack only reads do not, nor those of a picture's patches.
    """
    own = trace.stacks.get(stack)
    if own is None or chosen.position is None or trace.output is None or stack == "encoder":
        return False
    return own.queries.kind == "token" and len(own.queries) == len(trace.output)


def stack_read(trace: Trace, chosen: Objective, stack: str | None) -> str:
    """Return a stack that is named, or the one whose rows stand where predictions are made: `self` or `decoder`.

    Raises:
        ShapeError: there is no such stack, or none of the two.
    """
    if stack is not None:
        if stack not in trace.stacks:
            raise ShapeError(
                f"There is no stack {stack!r}.", f"Choose one of {', '.join(trace.stacks)}."
            )
        return stack
    names = [name for name in ("self", "decoder") if is_read_at(trace, chosen, name)]
    if not names:
        raise ShapeError(
            "What is explained is made at no position of a stack that attends to itself.",
            f"Name the stack: {', '.join(trace.stacks)}.",
        )
    return names[0]


def is_quick(captured: CapturedPass, ready: OneToken | None) -> bool:
    """Whether every head can be knocked out within seconds: of single tokens, or of a small model."""
    if ready is not None:
        return True
    trace = captured.trace
    passes = sum(record.heads for stack in trace.stacks.values() for record in stack.records)
    tokens = max(len(stack.queries) for stack in trace.stacks.values())
    return passes * tokens * captured.model.parameters <= UNASKED


def knock_out_every_head(
    captured: CapturedPass,
    states: States,
    ready: OneToken | None,
    progress: Callable[[int, int], None] | None = None,
) -> KnockOuts:
    """Silence each head at the position of the prediction; at all of them where its stack has no such position.

    Args:
        captured: the pass.
        states: what its heads put out.
        ready: the position of the prediction in single tokens; None where it cannot be run so.
        progress: called with how many heads are done, and of how many; may raise to cancel.

    Raises:
        CaptureError, VerificationError: as of `knock_out`.

    Cost: one token a head in a decoder; elsewhere a pass for each, up to 16 in one batch.
    """
    trace, chosen = captured.trace, captured.objective
    heads: list[Head] = []
    without: list[float] = []
    whole = sum(record.heads for stack in trace.stacks.values() for record in stack.records)
    for name, stack in trace.stacks.items():
        own = [
            Head(layer, head, name)
            for layer in range(stack.layers)
            for head in range(stack.heads(layer))
        ]
        before = len(heads)

        def tell(done: int, _of: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, whole)

        at = [chosen.place] if is_read_at(trace, chosen, name) else None
        found = knock_out_of(
            captured, heads=own, queries=at, states=states, ready=ready, progress=tell
        )
        heads += own
        without += found.without
    return KnockOuts(trace, chosen, captured.value, tuple(without), tuple(heads), "zero")
