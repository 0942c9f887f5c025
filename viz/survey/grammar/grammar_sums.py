"""What is added up of a stack's grammar over many texts, and how parts of a corpus are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viz.errors import ShapeError
from viz.survey.grammar.grammar_facts import DIRECTIONS
from viz.survey.grammar.grammar_measure import LayerGrammar
from viz.survey.grammar.offset_sums import OFFSETS
from viz.survey.grammar.parsed_text import PART_NAMES
from viz.survey.sums.stack_sums import HALVES

Sums = NDArray[np.float64]


@dataclass(slots=True)
class GrammarSums:
    """Sums over every head of a stack, float64; heads that a layer lacks stay 0.

    Shapes: by_part [half, layer, head, part, part], chance_by_part without halves; part_rows [half, part]; weight and
    counted [half, layer, head, relation, direction], chance without halves; by_offset [layer, head, offset],
    allowed_by_offset [layer, offset], along_offsets [layer, relation, direction, offset].

    Attributes:
        heads: of each layer.
        relations: names, sorted; texts have others, and parts are joined by name.
        part_rows: how many queries were of each part of speech.
        weight: sums over words that are related, of the weight from one to the other.
        chance: the same of a head that looks at all alike.
        counted: how many such words there were.
        by_offset: weight on tokens so far away, whatever they are.
        allowed_by_offset: how many of them could be looked at.
        along_offsets: how far away related words are; those counted, shared out among their pairs of tokens.
    """

    heads: tuple[int, ...]
    relations: tuple[str, ...]
    by_part: Sums
    chance_by_part: Sums
    part_rows: Sums
    weight: Sums
    chance: Sums
    counted: Sums
    by_offset: Sums
    allowed_by_offset: Sums
    along_offsets: Sums

    @classmethod
    def empty(cls, heads: Sequence[int], relations: Sequence[str] = ()) -> GrammarSums:
        """Begin with nothing."""
        of_heads, parts = (len(heads), max(heads)), len(PART_NAMES)
        kinds = (len(relations), len(DIRECTIONS))
        along = (*of_heads, *kinds)
        return cls(
            heads=tuple(heads),
            relations=tuple(relations),
            by_part=np.zeros((HALVES, *of_heads, parts, parts)),
            chance_by_part=np.zeros((*of_heads, parts, parts)),
            part_rows=np.zeros((HALVES, parts)),
            weight=np.zeros((HALVES, *along)),
            chance=np.zeros(along),
            counted=np.zeros((HALVES, *along)),
            by_offset=np.zeros((*of_heads, OFFSETS)),
            allowed_by_offset=np.zeros((len(heads), OFFSETS)),
            along_offsets=np.zeros((len(heads), *kinds, OFFSETS)),
        )

    def add(self, layer: int, half: int, found: LayerGrammar) -> None:
        """Add what was found of one layer in one text, whose relations are these."""
        at = (layer, slice(0, self.heads[layer]))
        # One mask for all heads gives one number for all of them.
        for name in BY_HALF:
            getattr(self, name)[(half, *at)] += getattr(found, name)
        for name in WHOLE:
            getattr(self, name)[at] += getattr(found, name)
        for name in OF_LAYER:
            getattr(self, name)[layer] += getattr(found, name)

    def join(self, other: GrammarSums) -> None:
        """Add what was found in another part of the corpus.

        Raises:
            ShapeError: it is of another model.
        """
        if self.heads != other.heads:
            raise ShapeError(
                f"Sums over {len(self.heads)} layers cannot be joined with those over {len(other.heads)} of other "
                "sizes.",
                "Join parts of one survey.",
            )
        self._know(other.relations)
        at = [self.relations.index(name) for name in other.relations]
        for name in ARRAYS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name in ALONG:
                mine.swapaxes(0, ALONG[name])[at] += theirs.swapaxes(0, ALONG[name])
            else:
                mine += theirs

    def _know(self, names: Sequence[str]) -> None:
        """Make room for relations that were not met before."""
        relations = tuple(sorted({*self.relations, *names}))
        if relations == self.relations:
            return
        at = [relations.index(name) for name in self.relations]
        for name, axis in ALONG.items():
            known = getattr(self, name)
            wider = np.zeros((*known.shape[:axis], len(relations), *known.shape[axis + 1 :]))
            wider.swapaxes(0, axis)[at] = known.swapaxes(0, axis)
            setattr(self, name, wider)
        self.relations = relations

    def to_json(self) -> dict[str, Any]:
        """Return what is no array."""
        return {"heads": self.heads, "relations": self.relations}

    @classmethod
    def read(cls, told: dict[str, Any], arrays: dict[str, Sums]) -> GrammarSums:
        """Read back what `to_json` wrote, and the arrays."""
        return cls(tuple(told["heads"]), tuple(told["relations"]), **arrays)


# Which axis of an array is that of relations.
ALONG = {"weight": 3, "chance": 2, "counted": 3, "along_offsets": 1}

# Arrays of heads with halves and without, and of layers.
BY_HALF = ("by_part", "weight", "counted")
WHOLE = ("chance_by_part", "chance", "by_offset")
OF_LAYER = ("allowed_by_offset", "along_offsets")
ARRAYS = tuple(one.name for one in fields(GrammarSums) if one.name not in ("heads", "relations"))
