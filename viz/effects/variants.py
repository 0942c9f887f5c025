"""Many variants of a pass in one batch, the first of which is the model as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.capture.tiers.registry import AttentionCall, Editor, edit
from viz.effects.attention_calls import Call, CallNames
from viz.effects.captured_pass import CapturedPass
from viz.effects.edges import EdgeEdit
from viz.effects.head_states import HeadStates
from viz.effects.one_token import OneToken, one_token
from viz.effects.part_edits import PartEdit, edited_parts
from viz.effects.registry_pass import as_captured, require_same
from viz.errors import CaptureError, InputError
from viz.inputs.input_copies import copies
from viz.models.model_outputs import first_output

# Variants in one batch: of whole texts, and of single tokens.
MOST_PASSES = 16
MOST_TOKENS = 512

# Numbers that the logits of a batch, or the scores of one of its layers, may have together (512 MB in float32).
MOST_NUMBERS = 1 << 27


@dataclass(frozen=True, slots=True)
class HeadEdit:
    """What takes the place of what heads put out.

    Attributes:
        call: whose heads.
        heads: which of them.
        value: what takes their place, [query or 1, head or 1, d or 1].
    """

    call: Call
    heads: slice
    value: Tensor


# What is changed in one variant, all at once.
Edits = Sequence[HeadEdit | EdgeEdit | PartEdit]


def predicted_without(
    captured: CapturedPass,
    variants: Sequence[Edits],
    *,
    rows: list[int] | None,
    states: Mapping[str, Sequence[HeadStates]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[float, ...]:
    """Predict in each variant.

    Args:
        captured: the pass.
        variants: what is changed in each.
        rows: positions at which anything is changed; None for all.
        states: of the pass, for variants of the prediction's position alone.
        progress: called with how many variants are done, and of how many; may raise to cancel.
    """
    chosen, value = captured.objective, captured.value
    ready = None
    if states is not None and rows == [chosen.position]:
        ready = one_token(captured, states)
    run: TokenVariants | PassVariants
    run = PassVariants(captured, rows) if ready is None else TokenVariants(captured, ready)
    without: list[float] = []
    for start in range(0, len(variants), run.room):
        predicted = chosen.of_row(run(variants[start : start + run.room])).tolist()
        # What is compared was computed in one batch, so that its rounding takes no part.
        without += [one + value - predicted[0] for one in predicted[1:]]
        if progress is not None:
            progress(len(without), len(variants))
    return tuple(without)


@dataclass(frozen=True, slots=True)
class PassVariants:
    """Variants of a whole text.

    Attributes:
        captured: the pass.
        rows: positions at which heads are edited; None for all.
    """

    captured: CapturedPass
    rows: list[int] | None

    @property
    def room(self) -> int:
        """How many variants fit into one batch."""
        return max(1, min(MOST_PASSES, MOST_NUMBERS // self.captured.output.numel() - 1))

    @torch.inference_mode()
    def __call__(self, variants: Sequence[Edits]) -> Tensor:
        """Run the model as it is and in each variant; logits at the position, [1 + variant, vocabulary].

        Raises:
            CaptureError: a layer did not call its kernel.
            VerificationError: the model as it is returns something else in a batch.
        """
        model = self.captured.model
        names = CallNames(model.module)
        rows = slice(None) if self.rows is None else self.rows
        inputs = _repeated(copies(self.captured.prepared.inputs), 1 + len(variants))
        apart = (_of_heads(variants), _of_parts(variants))
        with (
            as_captured(model),
            edit(_editor(names, apart[0], rows, rows)),
            edited_parts(model.module, apart[1], rows, rows),
        ):
            result = model.module(**dict(inputs))
        wanted = {one.call.name for edits in apart[0] for one in edits}
        if missing := {name for name in wanted if not names.turns[name]}:
            raise CaptureError(
                f"Layer {min(missing)} of {model.name} made no call that could be changed.",
                "Choose a model of the tier registry.",
            )
        logits = first_output(result)
        require_same(
            logits[0], self.captured.trace, "in a batch, whose inputs may look at one another"
        )
        return self.captured.objective.row(logits)


@dataclass(frozen=True, slots=True)
class TokenVariants:
    """Variants of one position alone, which share what stands before it."""

    captured: CapturedPass
    ready: OneToken

    @property
    def room(self) -> int:
        """How many variants fit into one batch."""
        record = self.captured.trace.stacks["self"].records[0]
        each = max(self.captured.output.shape[-1], record.heads * (1 + self.ready.position))
        return max(1, min(MOST_TOKENS, MOST_NUMBERS // each - 1))

    @torch.inference_mode()
    def __call__(self, variants: Sequence[Edits]) -> Tensor:
        """Run the position as it is and in each variant; logits, [1 + variant, vocabulary].

        Edges are those of the position's own row.

        Raises:
            VerificationError: the position as it is predicts something else.
        """
        model = self.captured.model
        names = CallNames(model.module)
        heads = [[one for one in edits if isinstance(one, HeadEdit)] for edits in variants]
        here = [self.ready.position]
        editor = _editor(names, heads, slice(None), here)
        with edited_parts(model.module, _of_parts(variants), slice(None), here):
            logits = self.ready.run(model, 1 + len(variants), editor, _hidden(variants, self.ready))
        require_same(logits[0], self.captured.trace, "as a single token", row=self.ready.position)
        return logits


def _of_heads(variants: Sequence[Edits]) -> list[list[HeadEdit | EdgeEdit]]:
    return [[one for one in edits if not isinstance(one, PartEdit)] for edits in variants]


def _of_parts(variants: Sequence[Edits]) -> list[list[PartEdit]]:
    return [[one for one in edits if isinstance(one, PartEdit)] for edits in variants]


def _hidden(variants: Sequence[Edits], ready: OneToken) -> dict[Call, Tensor]:
    """Say which keys each variant's heads may not look at from the position, bool [head, variant, key]."""
    found: dict[Call, Tensor] = {}
    for variant, edits in enumerate(variants, start=1):
        for one in edits:
            if not isinstance(one, EdgeEdit):
                continue
            if one.call not in found:
                shape = (one.record.heads, 1 + len(variants), 1 + ready.position)
                found[one.call] = torch.zeros(shape, dtype=torch.bool, device=one.hidden.device)
            row = one.hidden[one.rows == ready.position][:, : 1 + ready.position].any(dim=0)
            found[one.call][list(one.heads), variant] |= row
    return found


def _editor(
    names: CallNames,
    variants: Sequence[Sequence[HeadEdit | EdgeEdit]],
    rows: slice | list[int],
    of_value: slice | list[int],
) -> Editor:
    """Make what replaces the output of heads, [variant, query, head, d], in a pass of variants.

    Args:
        names: of the calls of that pass.
        variants: from the second item of the batch on.
        rows: of the output at which heads are edited.
        of_value: which rows of the values take their place.
    """
    by_call: dict[Call, list[tuple[int, HeadEdit | EdgeEdit]]] = defaultdict(list)
    for variant, edits in enumerate(variants, start=1):
        for one in edits:
            by_call[one.call].append((variant, one))

    def replace(call: AttentionCall) -> Tensor:
        wanted = by_call.get(names(call.module))
        if wanted is None:
            return call.output
        output = call.output.clone()
        for variant, one in wanted:
            if isinstance(one, EdgeEdit):
                heads = torch.tensor(one.heads, device=output.device)
                found = one.output(call, variant)
                output[variant, one.rows[:, None], heads] = found.to(output.dtype)
            else:
                value = one.value if len(one.value) == 1 else one.value[of_value]
                output[variant, rows, one.heads] = value.to(output)
        return output

    return replace


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
