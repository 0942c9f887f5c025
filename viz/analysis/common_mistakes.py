"""The common slips in computing self-attention, each worked out beside the right result."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from viz.analysis.worked_example import Lesson, work
from viz.models.custom import attention_steps as steps
from viz.models.custom.attention_steps import Steps


@dataclass(frozen=True, slots=True)
class Slip:
    """One slip and what comes of it.

    Attributes:
        name: what was done.
        formula: what was computed, in TeX.
        why: how one can tell, in one sentence.
        weights: what stood in the place of the weights, [head, query, key].
        output: what came out, [query, heads * d_value].
    """

    name: str
    formula: str
    why: str
    weights: Tensor
    output: Tensor

    @property
    def row_sums(self) -> Tensor:
        """What each row of the weights sums to, [head, query]; rightly 1."""
        return self.weights.sum(-1)


def right(lesson: Lesson) -> Slip:
    """Return the right result in the same form: softmax of every row of the scaled scores."""
    done = work(lesson).steps
    return Slip(
        "Right",
        r"\operatorname{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right)V",
        "Every row of weights is positive and sums to 1.",
        done.weights,
        done.joined,
    )


def common_slips(lesson: Lesson) -> list[Slip]:
    """Work out the slips that are made most often."""
    worked = work(lesson)
    done = worked.steps
    root = math.sqrt(worked.attention.d_head)
    # A softmax down the columns is that of the turned matrix, turned back.
    columns = steps.softmax(done.masked.transpose(-1, -2)).transpose(-1, -2)
    unscaled = steps.mask_scores(done.scores, done.mask)
    multiplied = steps.mask_scores(steps.scale_scores(done.scores, root), done.mask)
    bare = steps.scale_scores(done.scores, worked.attention.scale)
    if done.mask is not None:
        bare = bare.masked_fill(~done.mask, 0.0)
    return [
        _slip(
            done,
            "No softmax",
            r"\frac{QK^\top}{\sqrt{d_k}}\,V",
            "The scores themselves are taken for weights: rows do not sum to 1, and outputs lie far "
            "outside the values that they should be a mean of.",
            bare,
        ),
        _slip(
            done,
            "Softmax over the wrong axis",
            r"\operatorname{softmax}_{\text{columns}}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right)V",
            "Now columns sum to 1 and rows do not: keys share out the queries, so that one query may "
            "get nearly nothing and another nearly all.",
            columns,
        ),
        _slip(
            done,
            "Multiplied by the root",
            r"\operatorname{softmax}\!\left(QK^\top\cdot\sqrt{d_k}\right)V",
            "Rows still sum to 1, so that nothing looks wrong; but the scores lie d_k times as far apart "
            "as they should, so that the larger take nearly all of the weight, and where one takes it "
            "all, the gradient is nearly 0.",
            steps.softmax(multiplied),
        ),
        _slip(
            done,
            "Scale left out",
            r"\operatorname{softmax}\!\left(QK^\top\right)V",
            "The same to a lesser degree: the wider the heads, the sharper the weights become.",
            steps.softmax(unscaled),
        ),
        Slip(
            "One root too many, outside the sum",
            r"\frac{1}{\sqrt{d_k}}\operatorname{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right)V",
            "The weights are right, and the output is not: all of it is smaller by sqrt(d_k), so that "
            "it is no mean of the values any more.",
            done.weights,
            done.joined / root,
        ),
    ]


def _slip(done: Steps, name: str, formula: str, why: str, weights: Tensor) -> Slip:
    joined = steps.join_heads(steps.weighted_sum(weights, done.value))
    return Slip(name, formula, why, weights, joined)
