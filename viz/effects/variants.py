"""Many variants of a pass in one batch, the first of which is the model as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.tiers.registry import Editor, edit
from viz.capture.trace import Trace
from viz.effects.attention_calls import Call, CallNames
from viz.effects.one_token import OneToken
from viz.effects.registry_pass import as_captured, require_same
from viz.errors import CaptureError, InputError
from viz.inputs.input_copies import copies
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.model_outputs import first_output

# Variants in one batch: of whole texts, and of single tokens.
MOST_PASSES = 16
MOST_TOKENS = 512

# Numbers that the logits of a batch, or the scores of one of its layers, may have together (512 MB in float32).
MOST_NUMBERS = 1 << 27


@dataclass(frozen=True, slots=True)
class Edit:
    """What one variant replaces in what heads put out.

    Attributes:
        call: whose heads.
        heads: which of them.
        value: what takes their place, [query or 1, head or 1, d or 1].
    """

    call: Call
    heads: slice
    value: Tensor


@dataclass(frozen=True, slots=True)
class PassVariants:
    """Variants of a whole text.

    Attributes:
        position: of the prediction.
        rows: positions at which heads are edited; None for all.
    """

    model: Model
    prepared: Prepared
    trace: Trace
    position: int
    rows: list[int] | None

    @property
    def room(self) -> int:
        """How many variants fit into one batch."""
        assert self.trace.output is not None
        return max(1, min(MOST_PASSES, MOST_NUMBERS // self.trace.output.numel() - 1))

    @torch.inference_mode()
    def __call__(self, edits: Sequence[Edit]) -> Tensor:
        """Run the model as it is and once with each edit; logits at the position, [1 + edit, vocabulary].

        Raises:
            CaptureError: a layer did not call its kernel.
            VerificationError: the model as it is returns something else in a batch.
        """
        names = CallNames(self.model.module)
        rows = slice(None) if self.rows is None else self.rows
        inputs = _repeated(copies(self.prepared.inputs), 1 + len(edits))
        with as_captured(self.model), edit(_editor(names, edits, rows, rows)):
            result = self.model.module(**dict(inputs))
        if missing := {one.call.name for one in edits if not names.turns[one.call.name]}:
            raise CaptureError(
                f"Layer {min(missing)} of {self.model.name} made no call that could be changed.",
                "Choose a model of the tier registry.",
            )
        logits = first_output(result)
        require_same(logits[0], self.trace, "in a batch, whose inputs may look at one another")
        return logits[:, self.position]


@dataclass(frozen=True, slots=True)
class TokenVariants:
    """Variants of one position alone, which share what stands before it."""

    model: Model
    trace: Trace
    ready: OneToken

    @property
    def room(self) -> int:
        """How many variants fit into one batch."""
        assert self.trace.output is not None
        record = self.trace.stacks["self"].records[0]
        each = max(self.trace.output.shape[-1], record.heads * (1 + self.ready.position))
        return max(1, min(MOST_TOKENS, MOST_NUMBERS // each - 1))

    @torch.inference_mode()
    def __call__(self, edits: Sequence[Edit]) -> Tensor:
        """Run the position as it is and once with each edit; logits, [1 + edit, vocabulary].

        Raises:
            VerificationError: the position as it is predicts something else.
        """
        names = CallNames(self.model.module)
        editor = _editor(names, edits, slice(None), [self.ready.position])
        logits = self.ready.run(self.model, 1 + len(edits), editor)
        require_same(logits[0], self.trace, "as a single token", row=self.ready.position)
        return logits


def _editor(
    names: CallNames, edits: Sequence[Edit], rows: slice | list[int], of_value: slice | list[int]
) -> Editor:
    """Make what replaces the output of heads, [variant, query, head, d], in a pass of variants.

    Args:
        names: of the calls of that pass.
        edits: one a variant, from the second on.
        rows: of the output that are edited.
        of_value: which rows of the values take their place.
    """
    by_call: dict[Call, list[tuple[int, Edit]]] = defaultdict(list)
    for variant, one in enumerate(edits, start=1):
        by_call[one.call].append((variant, one))

    def replace(part: nn.Module, output: Tensor) -> Tensor:
        call = names(part)
        if call not in by_call:
            return output
        output = output.clone()
        for variant, one in by_call[call]:
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
