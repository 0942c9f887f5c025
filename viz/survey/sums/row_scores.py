"""What a block of weights says of each of its rows: one number a score, a head and a query.

Whatever is linear in a row's weights is a column of one product. Nothing else passes over all weights but the entropy and,
where rows look ahead, the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.survey.sums.row_blocks import TEXT_SCORES, Block
from viz.survey.sums.text_facts import (
    COLUMNS,
    FIRST,
    MARK,
    PLACE,
    SEPARATOR,
    SINK,
    WHOLE,
    TextFacts,
)

# Scores that are a column of the product as it stands.
COLUMN_OF = {"first": FIRST, "punctuation": MARK, "separator": SEPARATOR}

# A score so far below its row's largest has a weight of 0 in float32, whatever the others are (nats).
LEAST_SCORE = -104.0


@dataclass(frozen=True, slots=True)
class RowScores:
    """A block's rows, whether or not they count.

    Shapes: values [score, head, row]; at_classes [head, row, class], the weight on keys of each class.
    """

    values: Tensor
    at_classes: Tensor


def row_scores(weights: Tensor, scores: Tensor | None, block: Block, facts: TextFacts) -> RowScores:
    """Measure the rows of a block.

    Args:
        weights: float32 [head, row, key run]; 0 where a row may not look.
        scores: that they are the softmax of, which are written over; None where only weights are known.
        block: the rows.
        facts: of the text.
    """
    heads, count, _ = weights.shape
    sums = weights @ block.columns  # [head, row, column]
    values = weights.new_zeros((len(TEXT_SCORES), heads, count))
    put = {name: values[number] for number, name in enumerate(TEXT_SCORES)}
    whole = sums[..., WHOLE]
    put["entropy"].copy_(
        entropy_of_weights(weights) if scores is None else entropy_of_scores(scores, weights, whole)
    )
    # What goes to the model's own sinks is missing from the row's sum.
    torch.sub(1, whole, out=put["sink"]).clamp_min_(0).add_(sums[..., SINK])
    for name, column in COLUMN_OF.items():
        put[name].copy_(sums[..., column])
    if block.place is not None:
        # |q - k| is q - k, and twice k - q where k is ahead.
        torch.mul(whole, block.place, out=put["distance"]).sub_(sums[..., PLACE])
        if block.ahead is not None:
            put["distance"].add_(torch.linalg.vecdot(weights, block.ahead), alpha=2)
        for name, column in block.beside.items():
            _beside(put[name], weights, column)
        flat = weights.reshape(heads, -1)
        for name, (rows, at) in (("same_token", block.same), ("induction", block.after)):
            put[name].index_add_(1, rows, flat.index_select(1, at))
    return RowScores(values, sums[..., COLUMNS : COLUMNS + len(facts.classes)])


def entropy_of_scores(scores: Tensor, weights: Tensor, whole: Tensor) -> Tensor:
    """Measure how widely rows are spread without the logarithm of every weight.

    With a row's largest score taken off all of them, `-sum w log w = -sum w s - (sum w) log(w of the largest)`: two sums of
    numbers of one sign, so that nothing cancels.

    Args:
        scores: [head, row, key], minus infinity where a row may not look; written over.
        weights: their softmax, whose rows sum to less than 1 where a sink takes part.
        whole: what they sum to, [head, row].

    Returns:
        Nats, [head, row].
    """
    # A row that may look at nothing has no largest score; minus infinity times a weight of 0 is no number.
    largest = scores.amax(dim=-1, keepdim=True).clamp_min_(torch.finfo(scores.dtype).min)
    scores.sub_(largest).clamp_min_(LEAST_SCORE)
    most = weights.amax(dim=-1).clamp_min_(torch.finfo(weights.dtype).tiny).log_()
    summed: Tensor = torch.linalg.vecdot(weights, scores)
    return summed.addcmul_(whole, most).neg_()


def entropy_of_weights(weights: Tensor) -> Tensor:
    """Measure how widely rows of weights are spread, in nats, [head, row]."""
    # `torch.special.entr` takes twice as long on a CPU; a weight of 0 adds 0 whatever its logarithm is.
    logarithms = weights.clamp_min(torch.finfo(weights.dtype).tiny).log_()
    summed: Tensor = torch.linalg.vecdot(weights, logarithms)
    return summed.neg_()


def _beside(out: Tensor, weights: Tensor, column: int) -> None:
    """Write each row's weight on one key: the first row's on a column, the next row's on the one after; [head, row]."""
    _, count, run = weights.shape
    begin, end = max(0, -column), min(count, run - column)
    if begin < end:
        own = weights[:, begin:end, column + begin : column + end]
        out[:, begin:end] = own.diagonal(dim1=1, dim2=2)
