"""Which tokens a prediction draws on, by weights times their gradients, followed back through the layers.

Source: Chefer et al. 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
Transformers", eq. 5 to 10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import blocks
from viz.effects.way_back import LayersDone, OfHeads, Step, WayBack, carried_back
from viz.effects.weight_gradients import HeadGradients, WeightGradients


def relevance(
    found: WeightGradients,
    way: WayBack,
    rows: Sequence[int],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Follow the positive parts of weight times gradient back to the tokens, each step beside what stays where it is.

    A layer A is the mean over heads of the positive parts. What stands at a query stays there whole, and as much of it as
    A says is added at the keys: R = R + A R of a text that attends to itself.

    Of what a decoder reads, each cross attention C adds N(R)^T C N(E), where R is the relevance of the decoder's
    own text to itself up to there, E that of the encoder's, and N shares out what is beyond the diagonal so that each
    row of it sums to 1: N(R) = 1 + (R - 1) / its row sums, 0 where there is nothing. It is followed on through the
    decoder's later layers as its own text is.

    All by products of vectors with each layer's weights, never of whole matrices.

    Args:
        found: gradients of the prediction.
        way: from it back.
        rows: positions that it is read from.
        progress: called with how many layers are done, and of how many; may raise to cancel.

    Returns:
        By side, float32 [token], never negative: the mean over the rows. What the rows themselves begin with, 1, is in that
        of their own side.

    Cost: weights and gradients of all rows that something arrives at, layer by layer, in blocks. In encoder-decoders a
    second time, of all rows.
    """
    layers = _Layers(found)
    own = [step for step in way.steps if step.queries == way.own]
    read = [step for step in way.steps if step.queries != way.own]
    crossings = [step for step in own if step.crosses]
    up_to_last = _up_to_last_crossing(own)
    again = len(up_to_last) - len(crossings)
    tell = LayersDone(progress, len(own) + again + 2 * len(read))
    arrived = way.begin(rows)[way.own].mean(dim=0)
    at_crossings = []
    for step in own:
        if step.crosses:
            at_crossings.append(arrived)
            continue
        arrived = arrived + layers.back(step, arrived)
        tell()
    relevances = {way.own: arrived.cpu()}
    if crossings:
        seen = arrived.new_zeros(len(way.sides[way.source]))
        looking = _in_context(layers, up_to_last, at_crossings, tell)
        for step, one in zip(crossings, looking, strict=True):
            seen = seen + layers.back(step, one)
            tell()
        relevances[way.source] = _through_source(layers, read, seen, tell).cpu()
    return relevances


def _up_to_last_crossing(own: Sequence[Step]) -> list[Step]:
    """List a side's steps in the order of the pass, up to the last that leads to another."""
    behind = len(list(takewhile(lambda step: not step.crosses, own)))
    return list(reversed(own[behind:]))


def _in_context(
    layers: _Layers, steps: Sequence[Step], arrived: Sequence[Tensor], tell: LayersDone
) -> list[Tensor]:
    """Multiply what arrived at each crossing with N(R) of the layers before it.

    Args:
        layers: of the pass.
        steps: of the side, in the order of the pass.
        arrived: float32 [token] of each crossing, the last of the pass first.
        tell: told of each layer.

    Returns:
        Float32 [token] of each, in the same order.
    """
    vectors = torch.stack([torch.ones_like(arrived[0]), *reversed(arrived)], dim=1)
    # What is beyond the diagonal of R, times each: apart from it, lest small sums lose their digits beside 1.
    beyond = torch.zeros_like(vectors)
    found: list[Tensor] = []
    for step in steps:
        if step.crosses:
            at = 1 + len(found)
            found.append(vectors[:, at] + _per(beyond[:, at], beyond[:, 0]))
            continue
        beyond = beyond + layers.forth(step, vectors + beyond)
        tell()
    return found[::-1]


def _through_source(
    layers: _Layers, steps: Sequence[Step], seen: Tensor, tell: LayersDone
) -> Tensor:
    """Multiply what arrived at the last states of what was read, float32 [token], with N(E) of its layers."""
    sums = torch.zeros_like(seen)[:, None]
    for step in reversed(steps):
        sums = sums + layers.forth(step, 1 + sums)
        tell()
    share, moved = _per(seen, sums[:, 0]), torch.zeros_like(seen)
    for step in steps:
        moved = moved + layers.back(step, share + moved)
        tell()
    return seen + moved


def _per(part: Tensor, whole: Tensor) -> Tensor:
    """Divide, 0 where there is nothing to be divided by."""
    return torch.where(whole > 0, part / whole.where(whole > 0, 1), 0)


@dataclass(frozen=True, slots=True)
class _Layers:
    """Multiplies vectors with a layer's positive parts of weight times gradient, the mean over its heads."""

    found: WeightGradients

    def back(self, step: Step, arrived: Tensor) -> Tensor:
        """Carry what is at its queries, [query], to its keys, [key]."""
        return carried_back(step, arrived[None], self._positive(step))[0]

    def forth(self, step: Step, vectors: Tensor) -> Tensor:
        """Multiply it with vectors, [key, number]: [query, number]."""
        positive, record = self._positive(step), step.record
        found = vectors.new_zeros(record.shape[0], vectors.shape[1])
        every = torch.arange(record.shape[0], device=vectors.device)
        for block, weights, first in blocks(record, slice(0, record.heads), every):
            keys = slice(first, first + weights.shape[2])
            found[block] = positive(weights, block, keys) @ vectors[keys]
        return found

    def _positive(self, step: Step) -> OfHeads:
        states = self.found.layers[step.stack][step.layer]

        def positive(weights: Tensor, rows: Tensor, keys: slice) -> Tensor:
            return (weights * _gradients(states, rows, keys)).clamp_min(0).mean(dim=0)

        return positive


def _gradients(states: HeadGradients, rows: Tensor, keys: slice) -> Tensor:
    """Differentiate by the weights of some rows, float32 [head, row, key]."""
    groups = len(states.output) // len(states.value)
    value = states.value[:, keys].float().repeat_interleave(groups, dim=0)
    return states.gradient[:, rows].float() @ value.transpose(1, 2)
