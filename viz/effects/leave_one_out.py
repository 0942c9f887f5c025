"""How a prediction changes where a word is left out of the text, exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from viz.effects.captured_pass import CapturedPass
from viz.effects.registry_pass import as_captured
from viz.effects.target import Objective
from viz.errors import InputError
from viz.models.model_outputs import first_output

# Inputs from which a word's tokens are left out, and those of the text that an encoder-decoder writes.
LEFT_OUT = frozenset({"input_ids", "attention_mask", "token_type_ids"})
WRITTEN = frozenset({"decoder_input_ids", "decoder_attention_mask"})


@torch.inference_mode()
def leave_one_out(
    captured: CapturedPass, progress: Callable[[int, int], None] | None = None
) -> list[float | None]:
    """Leave each word out of the text, and see how the prediction changes; what follows moves up.

    Args:
        captured: the pass.
        progress: called with how many words are done, and of how many; may raise to cancel.

    Returns:
        For each token the change without its word (without - with); None of special tokens and of the word that the
        prediction is made at.

    Raises:
        InputError: the inputs are more than one text's tokens, or the text is a single word.

    Cost: a pass for each word.
    """
    prepared, trace, chosen = captured.prepared, captured.trace, captured.objective
    value = captured.value
    ids = prepared.inputs.get("input_ids")
    more = {name for name, one in prepared.inputs.items() if one is not None}
    if not isinstance(ids, Tensor) or more - LEFT_OUT - WRITTEN:
        raise InputError(
            "Words can only be left out of a plain text, and other inputs came with it.",
            "Give a text alone.",
        )
    written = bool(more & WRITTEN)
    # What an encoder-decoder predicts stands in the text that it writes, from which nothing is left out.
    own = None if written else chosen.position
    words: dict[tuple[int, int], list[int]] = defaultdict(list)
    for at, word in enumerate(trace.units.words):
        if word is not None:
            words[trace.units.segments[at], word].append(at)
    found: list[float | None] = [None] * ids.shape[1]
    wanted = [tokens for tokens in words.values() if own not in tokens]
    if not wanted or len(wanted[0]) == ids.shape[1]:
        raise InputError(
            "Without one of its words nothing is left of the text, or only what is predicted from.",
            "Give a text of several words.",
        )
    for done, tokens in enumerate(wanted, start=1):
        kept = [at for at in range(ids.shape[1]) if at not in tokens]
        inputs = {
            name: one[:, kept] if name in LEFT_OUT else one
            for name, one in prepared.inputs.items()
            if isinstance(one, Tensor)
        }
        moved = chosen if chosen.averaged is None else _averaged_over(chosen, kept)
        with as_captured(captured):
            logits = first_output(captured.model.module(**inputs))[0]
        row = moved.row(logits) if own is None else logits[kept.index(own)]
        change = float(chosen.of_row(row)) - value
        for at in tokens:
            found[at] = change
        if progress is not None:
            progress(done, len(wanted))
    return found


def _averaged_over(chosen: Objective, kept: Sequence[int]) -> Objective:
    """Take the mean over the positions that are left of those that it was taken over."""
    assert chosen.averaged is not None
    before = set(chosen.averaged.tolist())
    return replace(
        chosen, averaged=torch.tensor([at for at, one in enumerate(kept) if one in before])
    )
