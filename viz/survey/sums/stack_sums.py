"""What is added up of one stack over many texts, and how parts of a corpus are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from viz.errors import ShapeError
from viz.survey.sums.distribution_bins import BINS
from viz.survey.sums.example_candidates import KEPT, Example, LayerExamples, kept
from viz.survey.sums.layer_sums import LayerSums
from viz.survey.sums.row_blocks import TEXT_SCORES

HALVES = 2

# Kinds of examples that are kept of a head.
HEAVIEST, CHANCE = "heaviest", "chance"
KINDS = (HEAVIEST, CHANCE)

Sums = NDArray[np.float64]
Examples = dict[tuple[str, int, int], list[Example]]


@dataclass(slots=True)
class StackSums:
    """Sums over the rows of every head of a stack, float64; heads that a layer lacks stay 0.

    Shapes: total, counted, chance_total, chance_counted [half, layer, head, score]; shares [layer, head, score, bin];
    by_class [half, layer, head, class, class], chance_by_class without halves; class_rows [half, class].

    Attributes:
        heads: of each layer.
        classes: names of the classes of tokens.
        class_rows: how many queries were of each class.
        examples: by kind, layer and head, in their order.
    """

    heads: tuple[int, ...]
    classes: tuple[str, ...]
    total: Sums
    counted: Sums
    chance_total: Sums
    chance_counted: Sums
    shares: Sums
    by_class: Sums
    chance_by_class: Sums
    class_rows: Sums
    examples: Examples

    @classmethod
    def empty(cls, heads: Sequence[int], classes: Sequence[str]) -> StackSums:
        """Begin with nothing."""
        layers, most, kinds = len(heads), max(heads), len(classes)
        by_half = (HALVES, layers, most, len(TEXT_SCORES))
        return cls(
            heads=tuple(heads),
            classes=tuple(classes),
            **{name: np.zeros(by_half) for name in _BY_HALF},
            shares=np.zeros((layers, most, len(TEXT_SCORES), BINS)),
            by_class=np.zeros((HALVES, layers, most, kinds, kinds)),
            chance_by_class=np.zeros((layers, most, kinds, kinds)),
            class_rows=np.zeros((HALVES, kinds)),
            examples={},
        )

    def add(
        self, layer: int, half: int, own: LayerSums, chance: LayerSums, examples: LayerExamples
    ) -> None:
        """Add what was found of one layer in one text of a half of the corpus."""
        at = (half, layer, slice(0, self.heads[layer]))
        self.total[at] += own.total.T
        self.counted[at] += own.counted.T
        # One mask for all heads gives one number for all of them.
        self.chance_total[at] += chance.total.T
        self.chance_counted[at] += chance.counted.T
        self.shares[at[1:]] += own.shares.swapaxes(0, 1)
        self.by_class[at] += own.by_class
        self.chance_by_class[at[1:]] += chance.by_class
        for kind, found in ((HEAVIEST, examples.heaviest), (CHANCE, examples.chance)):
            for head, edges in enumerate(found):
                self._keep((kind, layer, head), edges)

    def join(self, other: StackSums) -> None:
        """Add what was found in another part of the corpus.

        Raises:
            ShapeError: it is of another model.
        """
        if (self.heads, self.classes) != (other.heads, other.classes):
            raise ShapeError(
                f"Sums over {len(self.heads)} layers cannot be joined with those over {len(other.heads)} of other "
                "sizes.",
                "Join parts of one survey.",
            )
        for name in ARRAYS:
            getattr(self, name)[...] += getattr(other, name)
        for key, edges in other.examples.items():
            self._keep(key, edges)

    def _keep(self, key: tuple[str, int, int], edges: Sequence[Example]) -> None:
        known = self.examples.get(key, [])
        if edges and (len(known) < KEPT or min(edges) < known[-1]):
            self.examples[key] = kept([*known, *edges], KEPT)


_BY_HALF = ("total", "counted", "chance_total", "chance_counted")
ARRAYS = tuple(
    one.name for one in fields(StackSums) if one.name not in ("heads", "classes", "examples")
)
