"""How much of its weight every head puts where a head that does a known thing would look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.analysis.head_patterns import (
    Targets,
    induction_targets,
    lag_targets,
    previous_targets,
    reverse_targets,
    sorting_targets,
)
from viz.analysis.looking_rule import looking_rule
from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.errors import ShapeError

Progress = Callable[[str, float], None]


class BestHead(NamedTuple):
    """The head that scores highest, its score, and what a head without a preference would have."""

    layer: int
    head: int
    score: float
    uniform: float


@dataclass(frozen=True, slots=True)
class HeadScores:
    """The mean weight on its targets, of every head; float32 [layer, head], NaN where no head is.

    Attributes:
        scores: mean over the queries that count, from 0 to 1.
        uniform: what a head would have that looks at all keys alike that it may look at: the baseline
            that a score is to be read beside.
        counted: over how many queries the mean was taken: those that may look at a target.
    """

    scores: NDArray[np.float32]
    uniform: NDArray[np.float32]
    counted: NDArray[np.int64]

    @property
    def best(self) -> BestHead:
        """The head that scores highest; the first of several.

        Raises:
            ShapeError: no query of any head may look at a target.
        """
        if not self.counted.any():
            raise ShapeError(
                "Nothing can be scored: no query may look at a key that it was to look at.",
                "Give a text in which it can, such as one that repeats itself.",
            )
        layer, head = np.unravel_index(int(np.nanargmax(self.scores)), self.scores.shape)
        return BestHead(
            int(layer),
            int(head),
            float(self.scores[layer, head]),
            float(self.uniform[layer, head]),
        )

    def as_frame(self) -> pd.DataFrame:
        """Return one row a head, the highest score first: layer, head, score, uniform, counted."""
        layers, heads = self.scores.shape
        frame = pd.DataFrame(
            {
                "layer": np.repeat(np.arange(layers), heads),
                "head": np.tile(np.arange(heads), layers),
                "score": self.scores.ravel(),
                "uniform": self.uniform.ravel(),
                "counted": self.counted.ravel(),
            }
        )
        return frame.dropna().sort_values("score", ascending=False, ignore_index=True)


def target_scores(
    stack: Stack, targets: Targets, *, progress: Progress | None = None
) -> HeadScores:
    """Score every head of a stack by its weight on targets.

    Args:
        stack: what to look at.
        targets: where a head would look that does what is asked for.
        progress: called with "score" and the share done; may raise to cancel.

    Raises:
        ShapeError: the targets are of another number of queries or keys.

    Cost: queries that have a target * keys * d for each head, in blocks of rows; no head's weights
    are ever held as a whole.
    """
    shape = len(targets.wanted), len(targets.labels)
    heads = max(record.heads for record in stack.records)
    scores = np.full((stack.layers, heads), np.nan, dtype=np.float32)
    uniform, counted = scores.copy(), np.zeros(scores.shape, dtype=np.int64)
    for number, record in enumerate(stack.records):
        if record.shape != shape:
            raise ShapeError(
                f"The targets are of {shape[0]} queries and {shape[1]} keys; the stack has "
                f"{record.shape[0]} and {record.shape[1]}.",
                "Make targets of the same text.",
            )
        if progress is not None:
            progress("score", number / stack.layers)
        mass, alike, rows = _layer_sums(record, targets)
        some = rows > 0
        counted[number, : record.heads] = rows
        scores[number, : record.heads][some] = (mass / rows.clip(min=1))[some]
        uniform[number, : record.heads][some] = (alike / rows.clip(min=1))[some]
    return HeadScores(scores, uniform, counted)


def mean_scores(parts: Sequence[HeadScores]) -> HeadScores:
    """Join the scores of several texts of one model, each query counting the same.

    Raises:
        ShapeError: there are none, or they are of different models.
    """
    if len({part.scores.shape for part in parts}) != 1:
        raise ShapeError(
            f"Scores of {len(parts)} texts were to be joined, and they are not of the same heads.",
            "Give scores of one stack of one model.",
        )
    counted = sum((part.counted for part in parts), start=np.zeros_like(parts[0].counted))

    def mean(name: str) -> NDArray[np.float32]:
        sums = [np.nan_to_num(getattr(part, name).astype(float)) * part.counted for part in parts]
        whole = np.where(counted > 0, np.sum(sums, axis=0) / counted.clip(min=1), np.nan)
        return whole.astype(np.float32)

    return HeadScores(mean("scores"), mean("uniform"), counted)


def previous_token_scores(stack: Stack, *, progress: Progress | None = None) -> HeadScores:
    """Score heads by their mean weight on the token before.

    Raises:
        ShapeError: queries do not stand among the keys.
    """
    _require_aligned(stack)
    return _scored(stack, previous_targets(len(stack.keys)), progress)


def induction_scores(stack: Stack, *, progress: Progress | None = None) -> HeadScores:
    """Score heads by their mean weight on tokens after an earlier occurrence of the query's token.

    On a text of random tokens that comes twice it is the prefix matching score of the paper; on any
    other it is taken over the tokens that came before. Source: Olsson et al. 2022.

    Raises:
        ShapeError: queries do not stand among the keys.
    """
    _require_aligned(stack)
    return _scored(stack, induction_targets(stack.keys.ids, special=stack.keys.special), progress)


def lag_scores(stack: Stack, lag: int, *, progress: Progress | None = None) -> HeadScores:
    """Score heads by their mean weight on the unit `lag` places back.

    Raises:
        ShapeError: queries do not stand among the keys, or the lag is negative.
    """
    _require_aligned(stack)
    return _scored(stack, lag_targets(len(stack.keys), lag), progress)


def reverse_scores(stack: Stack, *, progress: Progress | None = None) -> HeadScores:
    """Score heads of cross-attention by their mean weight on the anti-diagonal."""
    targets = reverse_targets(len(stack.queries), len(stack.keys), special=stack.keys.special)
    return target_scores(stack, targets, progress=progress)


def sorting_scores(
    stack: Stack, values: Sequence[int], *, progress: Progress | None = None
) -> HeadScores:
    """Score heads of cross-attention by their mean weight on the key of the right rank.

    Args:
        stack: whose queries write what its keys are, sorted.
        values: by which the keys are sorted, one for each.
        progress: see `target_scores`.
    """
    targets = sorting_targets(len(stack.queries), values, special=stack.keys.special)
    return target_scores(stack, targets, progress=progress)


def _scored(stack: Stack, targets: Targets, progress: Progress | None) -> HeadScores:
    """Score by targets of a whole text, of which queries may be a part.

    Those of a text that is being written are its end; where a layer has keys of its own, they follow.
    """
    start = stack.first_query
    own = targets.of_queries(start, start + len(stack.queries))
    return target_scores(stack, own, progress=progress)


def _require_aligned(stack: Stack) -> None:
    if not stack.aligned:
        raise ShapeError(
            f"The queries of the stack {stack.name!r} do not stand among its keys, so that none of "
            "them comes before another.",
            "Score self-attention.",
        )


def _layer_sums(
    layer: Layer, targets: Targets
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Add up, for each head, weight on targets, the share of keys that are targets, and queries."""
    device = layer.tensors[0].device
    rows = targets.rows().to(device)
    mass = torch.zeros(layer.heads, dtype=torch.float64, device=device)
    alike, counted = mass.clone(), torch.zeros(layer.heads, dtype=torch.int64, device=device)
    may_look = looking_rule(layer)
    for block, weights, first in blocks(layer, slice(0, layer.heads), rows):
        last = first + weights.shape[-1]
        matches = targets.matches(block, first, last)  # [row, key run]
        allowed = may_look(block)  # [1 or head, row, key]
        hits = (allowed[..., first:last] & matches).sum(dim=-1)  # [1 or head, row]
        counts = (hits > 0).expand(layer.heads, -1)
        mass += _on(matches, weights).where(counts, 0).sum(dim=-1)
        alike += (hits / allowed.sum(dim=-1).clamp(min=1)).double().sum(dim=-1)
        counted += counts.sum(dim=-1)
    return mass.cpu().numpy(), alike.cpu().numpy(), counted.cpu().numpy()


def _on(matches: Tensor, weights: Tensor) -> Tensor:
    """Add up each row's weight on its targets, float64 [head, row]."""
    return torch.einsum("hrk,rk->hr", weights, matches.to(weights.dtype)).double()
