"""Which heads look at what is to be copied out of a long text: retrieval heads.

Source: Wu et al. 2024, "Retrieval Head Mechanistically Explains Long-Context Factuality", eq. 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.analysis.head_patterns import NOTHING, Targets
from viz.analysis.looking_rule import looking_rule
from viz.capture.capture import capture
from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.errors import CancelledError, InputError, LoupeError
from viz.inputs.input_checks import check_text
from viz.inputs.units import Units
from viz.models import Model
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.needles import Needle, with_needle
from viz.survey.probes.repeated_sequences import is_of_own_tokens, within

RETRIEVAL = "retrieval"

# Needles that may be asked for, and tokens of a text with its needle: logits of each are held.
MOST_NEEDLES, MOST_TOKENS = 256, 2048

# What one text says of a stack: rows of hits, of chance, and of rows that count, [3, layer, head].
Counts = NDArray[np.float64]


def retrieval_scores(
    model: Model,
    haystacks: Sequence[str],
    *,
    needles: int = 6,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Sequence[Measured | NotMeasured]:
    """Score heads by how often they look most at the very token of a needle that the answer is to have next.

    Some words of chance are hidden in a text, one needle a text and each at another depth, and asked for behind it. Of
    each token of the answer that is in the needle, a head scores where the key that it looks at most, from the position
    that predicts this token, is a token of the needle and the same.

    It differs from the paper in that the answer is given and not written by the model (teacher-forced): heads of a model
    that would answer something else have a score, too, and all tokens count, not only those of right answers. What the
    answer already holds also helps induction heads, which lead among small models. Needle and question are English.

    Args:
        model: what is measured; one that predicts the next token and does nothing else.
        haystacks: texts in which needles are hidden, one after the other, from the first again where there are fewer. What
            is beyond 2,048 tokens, or what the model reads, is left out.
        needles: how many.
        seed: of the words.
        progress: called with how many needles are done, and of how many; may raise to cancel.

    Returns:
        The score of each stack: the share of the answers' tokens; halves are every second needle, and chance is the share
        of the same token's places in the needle among all keys that a head may look at. A reason where there is none.

    Raises:
        InputError: there are no haystacks, or one is no text.
        ShapeError: there are too many needles, or none.

    Cost: a capture each, and the rows of the answer of each head.
    """
    needles = within(needles, "number of needles", 1, MOST_NEEDLES)
    if isinstance(haystacks, str) or not haystacks:
        raise InputError("There are no texts to hide needles in.", "Give a list of texts.")
    texts = [check_text(text) for text in haystacks]
    if model.kind != "causal" or model.tokenizer is None:
        why = (
            "it has no tokenizer" if model.kind == "causal" else "it writes no text on from another"
        )
        return _none(f"Needles cannot be hidden from {model.name}, because {why}.")
    draw = np.random.default_rng(seed)
    most = min(MOST_TOKENS, model.context_limit or MOST_TOKENS)
    found: dict[str, list[Counts]] = defaultdict(list)
    for number in range(needles):
        if progress is not None:
            progress(number, needles)
        depth = (number + 0.5) / needles
        haystack = texts[number % len(texts)]
        needle = with_needle(model, haystack, depth=depth, most_tokens=most, draw=draw)
        try:
            for stack in capture(model, needle.text).stacks.values():
                if is_of_own_tokens(stack):
                    found[stack.name].append(_stack_counts(stack, _targets(stack.keys, needle)))
        except CancelledError:
            raise
        except LoupeError as error:
            return _none(error.message)
    if progress is not None:
        progress(needles, needles)
    if not found:
        return _none(f"No layer of {model.name} attends to the tokens that it reads one by one.")
    return [_measured(stack, counts) for stack, counts in found.items()]


def _targets(units: Units, needle: Needle) -> Targets:
    """Say which tokens of the needle each position is to look at: those of the token that it predicts in the answer."""
    ids = torch.tensor(units.ids)
    hidden = torch.full_like(ids, NOTHING)
    for key in _within_span(units, needle.hidden):
        hidden[key] = ids[key]
    wanted = torch.full_like(ids, NOTHING)
    for place in _within_span(units, needle.answered):
        wanted[place - 1] = ids[place]
    return Targets(wanted=wanted, labels=hidden)


def _within_span(units: Units, span: tuple[int, int]) -> list[int]:
    """Number the tokens that touch some characters, but no more than the space before them."""
    first, last = span
    return [
        number
        for number, own in enumerate(units.spans)
        if own is not None and own[1] > first and own[0] >= first - 1 and own[1] <= last
    ]


def _stack_counts(stack: Stack, targets: Targets) -> Counts:
    heads = max(record.heads for record in stack.records)
    found = np.full((3, stack.layers, heads), np.nan)
    for number, record in enumerate(stack.records):
        found[:, number, : record.heads] = _layer_counts(record, targets)
    return found


def _layer_counts(layer: Layer, targets: Targets) -> Counts:
    """Count hits, chance and rows of each head, [3, head]."""
    device = layer.tensors[0].device
    found = torch.zeros(3, layer.heads)
    may_look = looking_rule(layer)
    for block, weights, first in blocks(layer, slice(0, layer.heads), targets.rows().to(device)):
        keys = first + weights.argmax(dim=-1)  # [head, row]
        wanted = targets.matches(block, 0, layer.shape[1])  # [row, key]
        allowed = may_look(block)  # [1 or head, row, key]
        hits = wanted.expand(layer.heads, -1, -1).gather(2, keys[..., None])[..., 0]
        alike = (allowed & wanted).sum(dim=-1) / allowed.sum(dim=-1).clamp(min=1)
        rows = torch.full((layer.heads,), len(block))
        parts = [hits.sum(dim=-1), alike.sum(dim=-1).expand(layer.heads), rows]
        found += torch.stack([_here(one) for one in parts])
    return found.double().numpy()


def _here(numbers: Tensor) -> Tensor:
    return numbers.detach().float().cpu()


def _measured(stack: str, counts: Sequence[Counts]) -> Measured:
    every = np.stack(counts)  # [needle, 3, layer, head]
    value, chance = _shares(every)
    halves = np.stack([_shares(every[half::2])[0] for half in (0, 1)])
    rows = np.nan_to_num(every[:, 2]).sum(axis=0).astype(np.int64)
    return Measured(RETRIEVAL, stack, value, chance, halves, rows)


def _shares(counts: Counts) -> Counts:
    """Return hits and chance as shares of rows, [2, layer, head]; NaN where there are none."""
    hits, alike, rows = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([hits / rows, alike / rows])


def _none(reason: str) -> list[NotMeasured]:
    return [NotMeasured(RETRIEVAL, reason)]
