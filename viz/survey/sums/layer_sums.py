"""What is added up of one layer over one text, in memory that does not grow with the text's square."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.analysis.looking_rule import looking_rule
from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer, blocks
from viz.errors import ShapeError
from viz.survey.sums.distribution_bins import BINS, bins_of
from viz.survey.sums.example_candidates import Candidates, LayerExamples
from viz.survey.sums.row_scores import TEXT_SCORES, Block, block_of, row_scores
from viz.survey.sums.text_facts import TextFacts

# What is known of blocks is kept for the layers after, for texts of at most so many weights.
KEPT_NUMBERS = 1 << 24

# Numbers of uniform weights that are written out at a time.
BLOCK_NUMBERS = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerSums:
    """Sums over the rows of one layer, float64.

    Shapes: total and counted [score, head]; shares [score, head, bin], how many rows fell into each bin of a
    distribution; by_class [head, class, class], weight from queries of one class to keys of another.
    """

    total: NDArray[np.float64]
    counted: NDArray[np.float64]
    shares: NDArray[np.float64]
    by_class: NDArray[np.float64]


class TextMeasure:
    """Measures layer after layer of one stack's pass over one text.

    What a mask alone says of the text, and what a head without a preference would have, is found once for all layers
    that share it.
    """

    def __init__(self, facts: TextFacts) -> None:
        self._facts = facts
        self._chance: dict[bytes, LayerSums] = {}
        self._blocks: dict[tuple[bytes, int, int, int], Block] = {}

    def of(self, layer: Layer, candidates: Candidates) -> tuple[LayerSums, LayerExamples]:
        """Measure a layer, and choose examples of its heads.

        Raises:
            ShapeError: it has other queries or keys than the text.
        """
        facts = self._facts
        shape = (len(facts.query_classes), len(facts.columns))
        if layer.shape != shape:
            raise ShapeError(
                f"{layer.name} has {layer.shape[0]} queries and {layer.shape[1]} keys, its text {shape[0]} and "
                f"{shape[1]}.",
                "Survey a model whose layers read the same text.",
            )
        sums = _Adding(facts, layer.heads)
        examples = LayerExamples(layer.heads, candidates)
        rows = torch.arange(shape[0], device=facts.device)
        key = _mask_key(layer)
        for some, weights, first in blocks(layer, slice(0, layer.heads), rows):
            block = self._block(layer, key, some, first, first + weights.shape[-1])
            sums.add(weights, block)
            examples.look(weights, facts, some, first)
        return sums.done(), examples

    def chance(self, layer: Layer) -> LayerSums:
        """Measure what a head would have that looks at all keys alike that it may look at; its heads 1 or the layer's."""
        key = _mask_key(layer)
        if key is None:
            return self._of_uniform(layer)
        if key not in self._chance:
            self._chance[key] = self._of_uniform(layer)
        return self._chance[key]

    def _of_uniform(self, layer: Layer) -> LayerSums:
        facts = self._facts
        heads = 0
        sums: _Adding | None = None
        for some, allowed in _allowed(layer, facts):
            heads = len(allowed)
            sums = sums or _Adding(facts, heads)
            alike = allowed.float() / allowed.sum(dim=-1, keepdim=True).clamp_min(1)
            sums.add(alike, block_of(allowed, some, 0, facts))
        assert sums is not None
        return sums.done()

    def _block(
        self, layer: Layer, mask_key: bytes | None, rows: Tensor, first: int, last: int
    ) -> Block:
        """Say what the mask leaves of some rows, once for layers that share it and are read in the same blocks."""
        if mask_key is None or layer.shape[0] * layer.shape[1] > KEPT_NUMBERS:
            allowed = looking_rule(layer)(rows)[..., first:last]
            return block_of(allowed, rows, first, self._facts)
        key = (mask_key, int(rows[0]), len(rows), first)
        if key not in self._blocks:
            allowed = layer.may_look(rows)[..., first:last]
            self._blocks[key] = block_of(allowed, rows, first, self._facts)
        return self._blocks[key]


def _allowed(layer: Layer, facts: TextFacts) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk through a mask in blocks of rows: the rows, and which keys they may look at, bool [1 or head, row, key]."""
    may_look = looking_rule(layer)
    rows = torch.arange(len(facts.query_classes), device=facts.device)
    for some in torch.split(rows, max(1, BLOCK_NUMBERS // max(1, layer.shape[1]))):
        yield some, may_look(some)


class _Adding:
    """Adds up the rows of blocks."""

    def __init__(self, facts: TextFacts, heads: int) -> None:
        kinds, scores = len(facts.classes), len(TEXT_SCORES)
        self._facts = facts
        zeros = torch.zeros((scores, heads), dtype=torch.float64, device=facts.device)
        self._total, self._counted = zeros, zeros.clone()
        self._shares = zeros[..., None].repeat(1, 1, BINS)
        self._by_class = zeros.new_zeros((heads, kinds, kinds))

    def add(self, weights: Tensor, block: Block) -> None:
        """Add a block's rows, those alone that count."""
        found = row_scores(weights, block, self._facts)
        counts = block.counts.expand(-1, len(weights), -1)
        values = found.values.masked_fill_(~counts, 0.0)
        self._total += values.sum(dim=-1, dtype=torch.float64)
        self._counted += counts.sum(dim=-1)
        bins = bins_of(values, TEXT_SCORES)
        self._shares.scatter_add_(2, bins, counts.double())
        classes = self._facts.query_classes[block.rows]
        self._by_class.index_add_(1, classes, found.at_classes.double())

    def done(self) -> LayerSums:
        """Return what was added up."""
        parts = (self._total, self._counted, self._shares, self._by_class)
        return LayerSums(*(one.cpu().numpy() for one in parts))


def _mask_key(layer: Layer) -> bytes | None:
    """Name a layer's mask by its content, where it is a rule of few numbers; None of any other."""
    if not isinstance(layer, RecordedLayer) or not isinstance(layer.mask, Spans):
        return None
    return torch.stack((layer.mask.start, layer.mask.stop)).cpu().numpy().tobytes()
