"""Many variants of a whole pass in one batch, the first of which is the model as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.capture.tiers.registry import AttentionCall, Editor, edit
from viz.effects.attention_calls import Call, CallNames
from viz.effects.captured_pass import CapturedPass
from viz.effects.edges import EdgeEdit
from viz.effects.part_edits import PartEdit, edited_parts
from viz.effects.registry_pass import as_captured, require_same
from viz.errors import CaptureError, InputError
from viz.inputs.input_copies import copies
from viz.models.model_outputs import first_output

# Variants in one batch.
MOST_PASSES = 16

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
        apart = (of_heads(variants), of_parts(variants))
        with (
            as_captured(self.captured),
            edit(editor_of(names, apart[0], rows, rows)),
            edited_parts(model.module, apart[1], rows, rows),
        ):
            result = model.module(**dict(inputs))
        wanted = {one.call.name for edits in apart[0] for one in edits}
        if missing := {name for name in wanted if not names.turns[name]}:
            raise CaptureError(
                f"Layer {min(missing)} of {model.name} made no call that could be changed.",
                "Choose a model whose layers attend over whole texts.",
            )
        logits = first_output(result)
        require_same(
            logits[0], self.captured.trace, "in a batch, whose inputs may look at one another"
        )
        return self.captured.objective.row(logits)


def of_heads(variants: Sequence[Edits]) -> list[list[HeadEdit | EdgeEdit]]:
    """Take what is changed of heads and their weights."""
    return [[one for one in edits if not isinstance(one, PartEdit)] for edits in variants]


def of_parts(variants: Sequence[Edits]) -> list[list[PartEdit]]:
    """Take what is changed of whole parts."""
    return [[one for one in edits if isinstance(one, PartEdit)] for edits in variants]


def editor_of(
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
