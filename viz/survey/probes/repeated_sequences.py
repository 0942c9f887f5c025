"""What heads do on random tokens that come twice, where nothing but the repetition can guide them.

Source: Olsson et al. 2022, "In-context Learning and Induction Heads"; Wang et al. 2022, "Interpretability in the Wild",
for duplicate tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis import (
    HeadScores,
    Targets,
    induction_scores,
    mean_scores,
    previous_token_scores,
    same_targets,
    target_scores,
)
from viz.analysis.head_patterns import NOTHING
from viz.capture.capture import capture
from viz.capture.stack import Stack
from viz.errors import CancelledError, LoupeError, ShapeError
from viz.models import Model
from viz.models.argument_checks import whole_number
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.random_tokens import LEAST_LENGTH, repeated_inputs

PREVIOUS, DUPLICATE, INDUCTION = "repeated_previous", "repeated_duplicate", "repeated_induction"
ANTI_INDUCTION = "repeated_anti_induction"
NAMES = (PREVIOUS, DUPLICATE, INDUCTION)

# What may be asked for: more would say nothing new.
MOST_SEQUENCES, MOST_LENGTH = 256, 2048


def repeated_scores(
    model: Model,
    *,
    sequences: int = 8,
    length: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Sequence[Measured | NotMeasured]:
    """Score heads on sequences of random tokens, each twice over: previous, duplicate and induction.

    The tokens of a sequence differ, so that each has one earlier copy. They stand in the special tokens that the model's
    tokenizer puts around a text. An encoder-decoder reads them and writes them.

    Args:
        model: what is measured.
        sequences: how many.
        length: tokens of one before it comes again; fewer where the model reads no two of them.
        seed: of the tokens.
        progress: called with how many sequences are done, and of how many; may raise to cancel.

    Returns:
        Each score of each stack that attends to its own tokens, over queries that may look at a target; halves are every
        second sequence; chance is that of a head that looks at all keys alike. A reason where there is none.

    Raises:
        ShapeError: there are too many sequences, or none, or of no length.

    Cost: a capture each.
    """
    sequences = within(sequences, "number of sequences", 1, MOST_SEQUENCES)
    length = within(length, "length", LEAST_LENGTH, MOST_LENGTH)
    found: dict[tuple[str, str], list[HeadScores]] = defaultdict(list)
    try:
        inputs = list(repeated_inputs(model, sequences=sequences, length=length, seed=seed))
    except LoupeError as error:
        return _none(error.message)
    for number, one in enumerate(inputs):
        if progress is not None:
            progress(number, sequences)
        try:
            for stack in capture(model, one).stacks.values():
                if is_of_own_tokens(stack):
                    for name, scores in _stack_scores(stack).items():
                        found[name, stack.name].append(scores)
        except CancelledError:
            raise
        except LoupeError as error:
            return _none(error.message)
    if progress is not None:
        progress(sequences, sequences)
    if not found:
        return _none(f"No layer of {model.name} attends to the tokens that it reads one by one.")
    return [_measured(name, stack, parts) for (name, stack), parts in found.items()]


def anti_induction(induction: Measured, copying: Measured) -> Measured:
    """Score heads that look where induction heads do, and write against the token that they see there.

    Args:
        induction: on random tokens that come twice.
        copying: of the same stack; what is above 0 counts as 0.

    Returns:
        Induction times minus copying; its chance and its halves times the same.

    Raises:
        ShapeError: they are of different heads.
    """
    if induction.stack != copying.stack or induction.value.shape != copying.value.shape:
        raise ShapeError(
            f"Induction is of the stack {induction.stack!r}, {induction.value.shape}, and copying of "
            f"{copying.stack!r}, {copying.value.shape}.",
            "Give both of one stack of one model.",
        )
    against = np.maximum(0, -copying.value)
    return replace(
        induction,
        score=ANTI_INDUCTION,
        value=induction.value * against,
        chance=induction.chance * against,
        halves=induction.halves * against,
    )


def is_of_own_tokens(stack: Stack) -> bool:
    """Whether each query of a stack is a token that is a key, too."""
    alike = stack.aligned and len(stack.queries) == len(stack.keys)
    return alike and stack.queries.kind == "token"


def _stack_scores(stack: Stack) -> dict[str, HeadScores]:
    return {
        PREVIOUS: previous_token_scores(stack),
        DUPLICATE: target_scores(stack, _duplicate_targets(stack)),
        INDUCTION: induction_scores(stack),
    }


def _duplicate_targets(stack: Stack) -> Targets:
    """Look at the same token where it came before."""
    ids = torch.tensor(stack.keys.ids)
    kinds = ids.masked_fill(torch.tensor(stack.keys.special), NOTHING)
    return same_targets(kinds, kinds, earlier=True)


def _measured(name: str, stack: str, parts: Sequence[HeadScores]) -> Measured:
    whole = mean_scores(parts)
    empty = np.full(whole.scores.shape, np.nan)
    halves = [mean_scores(half).scores if half else empty for half in (parts[::2], parts[1::2])]
    return Measured(
        score=name,
        stack=stack,
        value=_exact(whole.scores),
        chance=_exact(whole.uniform),
        halves=np.stack([_exact(half) for half in halves]),
        counted=whole.counted,
    )


def _exact(numbers: NDArray[Any]) -> NDArray[np.float64]:
    return numbers.astype(np.float64)


def _none(reason: str) -> list[NotMeasured]:
    return [NotMeasured(name, reason) for name in NAMES]


def within(value: int, what: str, least: int, most: int) -> int:
    """Return a whole number from one to another.

    Raises:
        ShapeError: it is none.
    """
    number = whole_number(value, what)
    if not least <= number <= most:
        raise ShapeError(f"The {what} is {number:,}.", f"Give {least:,} to {most:,}.")
    return number
