"""Many variants of a pass: of single tokens where nothing else is changed, else of the whole text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.effects.attention_calls import Call, CallNames
from viz.effects.captured_pass import CapturedPass
from viz.effects.content_masks import masks_follow_content
from viz.effects.edges import EdgeEdit
from viz.effects.head_states import HeadStates
from viz.effects.one_token import OneToken, one_token
from viz.effects.part_edits import edited_parts
from viz.effects.pass_variants import (
    MOST_NUMBERS,
    Edits,
    HeadEdit,
    PassVariants,
    editor_of,
    of_parts,
)
from viz.effects.registry_pass import require_same

# Single tokens in one batch.
MOST_TOKENS = 512


def predicted_without(
    captured: CapturedPass,
    variants: Sequence[Edits],
    *,
    rows: list[int] | None,
    states: Mapping[str, Sequence[HeadStates]] | None = None,
    ready: OneToken | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[float, ...]:
    """Predict in each variant.

    Args:
        captured: the pass.
        variants: what is changed in each.
        rows: positions at which anything is changed; None for all.
        states: of the pass, for variants of the prediction's position alone.
        ready: that position, where it was made ready before.
        progress: called with how many variants are done, and of how many; may raise to cancel.
    """
    chosen, value = captured.objective, captured.value
    if rows != [chosen.position]:
        ready = None
    elif ready is None and states is not None:
        ready = as_single_tokens(captured, states)
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


def as_single_tokens(
    captured: CapturedPass, states: Mapping[str, Sequence[HeadStates]]
) -> OneToken | None:
    """Make the position of a prediction ready to be run alone; None where that would not be what the model does.

    Args:
        captured: the pass.
        states: of the same pass.
    """
    return None if masks_follow_content(captured) else one_token(captured, states)


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
        editor = editor_of(names, heads, slice(None), here)
        parts = edited_parts(model.module, of_parts(variants), slice(None), here)
        hidden = _hidden(variants, self.ready)
        logits = self.ready.run(self.captured, 1 + len(variants), editor, hidden, parts)
        require_same(logits[0], self.captured.trace, "as a single token", row=self.ready.position)
        return logits


def _hidden(variants: Sequence[Edits], ready: OneToken) -> dict[Call, Tensor]:
    """Say which keys each variant's heads may not look at from the position, bool [head, variant, key]."""
    found: dict[Call, Tensor] = {}
    for variant, edits in enumerate(variants, start=1):
        for one in edits:
            if not isinstance(one, EdgeEdit):
                continue
            if one.call not in found:
                shape = (one.record.heads, 1 + len(variants), 1 + ready.position)
                found[one.call] = torch.zeros(shape, dtype=torch.bool, device=one.rows.device)
            here = one.rows[one.rows == ready.position]
            row = one.hidden.of(here)[:, : 1 + ready.position].any(dim=0)
            found[one.call][list(one.heads), variant] |= row
    return found
