"""What is added up of one layer over one text, in memory that does not grow with the text's square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.analysis.looking_rule import looking_rule
from viz.capture.layers.recorded_layer import Layer, scored_blocks
from viz.errors import ShapeError
from viz.survey.sums.distribution_bins import BINS, bins_of
from viz.survey.sums.example_candidates import Candidates, ExampleSearch, LayerExamples
from viz.survey.sums.row_blocks import TEXT_SCORES, Block, block_of
from viz.survey.sums.row_scores import row_scores
from viz.survey.sums.text_facts import TextFacts
from viz.survey.sums.uniform_weights import alike, allowed_blocks, mask_key

# What is known of blocks is kept for the layers after, for texts of at most so many weights.
KEPT_NUMBERS = 1 << 24


# Looks at a block of a layer besides: its weights [head, row, key run], rows, and the run's first key.
Looker = Callable[[Tensor, Tensor, int], None]


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
        self._blocks: dict[tuple[bytes, int, int, int, int], Block] = {}

    def of(
        self, layer: Layer, candidates: Candidates, *, also: Looker | None = None
    ) -> tuple[LayerSums, LayerExamples]:
        """Measure a layer, and choose examples of its heads; `also` looks at its weights while they are there.

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
        examples = ExampleSearch(layer.heads, candidates)
        rows = torch.arange(shape[0], device=facts.device)
        key = mask_key(layer)
        for some, weights, scores, first in scored_blocks(layer, slice(0, layer.heads), rows):
            block = self._block(layer, key, some, first, first + weights.shape[-1])
            sums.add(weights, scores, block)
            if also is not None:
                also(weights, some, first)
            examples.look(weights, block)
        return sums.done(), examples.done()

    def chance(self, layer: Layer) -> LayerSums:
        """Measure what a head would have that looks at all keys alike that it may look at; its heads 1 or the layer's."""
        key = mask_key(layer)
        if key is None:
            return self._of_uniform(layer, key)
        if key not in self._chance:
            self._chance[key] = self._of_uniform(layer, key)
        return self._chance[key]

    def _of_uniform(self, layer: Layer, key: bytes | None) -> LayerSums:
        facts = self._facts
        sums: _Adding | None = None
        for some, allowed in allowed_blocks(layer, facts.device):
            sums = sums or _Adding(facts, len(allowed))
            block = self._block(layer, key, some, 0, layer.shape[1], allowed)
            sums.add(alike(allowed), None, block)
        assert sums is not None
        return sums.done()

    def _block(
        self,
        layer: Layer,
        mask_key: bytes | None,
        rows: Tensor,
        first: int,
        last: int,
        allowed: Tensor | None = None,
    ) -> Block:
        """Say what the mask leaves of some rows, once for layers that share it and are read in the same blocks."""

        def made() -> Block:
            may = looking_rule(layer)(rows) if allowed is None else allowed
            return block_of(may[..., first:last], rows, first, self._facts)

        if mask_key is None or layer.shape[0] * layer.shape[1] > KEPT_NUMBERS:
            return made()
        key = (mask_key, int(rows[0]), len(rows), first, last)
        if key not in self._blocks:
            self._blocks[key] = made()
        return self._blocks[key]


class _Adding:
    """Adds up the rows of blocks."""

    def __init__(self, facts: TextFacts, heads: int) -> None:
        kinds, scores = len(facts.classes), len(TEXT_SCORES)
        self._facts = facts
        zeros = torch.zeros((scores, heads), dtype=torch.float64, device=facts.device)
        self._total, self._counted = zeros, zeros.clone()
        self._shares = zeros[..., None].repeat(1, 1, BINS)
        self._by_class = zeros.new_zeros((heads, kinds, kinds))

    def add(self, weights: Tensor, scores: Tensor | None, block: Block) -> None:
        """Add a block's rows, those alone that count; the scores are written over."""
        found = row_scores(weights, scores, block, self._facts)
        values = found.values.mul_(block.counts)
        self._total += values.sum(dim=-1, dtype=torch.float64)
        counts = block.counts.double()
        self._counted += counts.sum(dim=-1)
        bins = bins_of(values, TEXT_SCORES)
        self._shares.scatter_add_(2, bins, counts.expand(-1, len(weights), -1))
        classes = self._facts.query_classes[block.rows]
        self._by_class.index_add_(1, classes, found.at_classes.double())

    def done(self) -> LayerSums:
        """Return what was added up."""
        parts = (self._total, self._counted, self._shares, self._by_class)
        return LayerSums(*(one.cpu().numpy() for one in parts))
