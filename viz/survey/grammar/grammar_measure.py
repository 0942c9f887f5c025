"""How much a head puts from and on parts of speech, and along relations, added up while its blocks of weights go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.survey.grammar.grammar_facts import DIRECTIONS, GrammarFacts
from viz.survey.grammar.offset_sums import OFFSETS, offset_numbers, offset_sums
from viz.survey.grammar.parsed_text import PART_NAMES
from viz.survey.sums.uniform_weights import alike, allowed_blocks, mask_key


@dataclass(frozen=True, slots=True)
class LayerGrammar:
    """Sums over one layer and one text, float64.

    Shapes: by_part, chance_by_part [1 or head, part, part]; weight, chance, counted [1 or head, relation, direction];
    by_offset [head, offset]; allowed_by_offset [offset] and along_offsets [relation, direction, offset], means over heads
    where their masks differ.
    """

    by_part: NDArray[np.float64]
    chance_by_part: NDArray[np.float64]
    weight: NDArray[np.float64]
    chance: NDArray[np.float64]
    counted: NDArray[np.float64]
    by_offset: NDArray[np.float64]
    allowed_by_offset: NDArray[np.float64]
    along_offsets: NDArray[np.float64]


class Looked:
    """Adds up where the heads of a layer look, block by block."""

    def __init__(self, facts: GrammarFacts, heads: int) -> None:
        self._facts = facts
        zeros = torch.zeros(heads, dtype=torch.float64, device=facts.device)
        parts = len(PART_NAMES)
        self.by_part = zeros[:, None, None].repeat(1, parts, parts)
        self.by_pair = zeros[:, None].repeat(1, len(facts.queries))
        self.by_offset = zeros[:, None].repeat(1, OFFSETS)

    def add(self, weights: Tensor, rows: Tensor, first: int) -> None:
        """Add a block.

        Args:
            weights: [head, row, key run]; 0 where a row may not look.
            rows: numbers of the queries, one after the other.
            first: the run's first key.
        """
        facts, last = self._facts, first + weights.shape[-1]
        at_parts = weights @ facts.key_parts[first:last]  # [head, row, part]
        self.by_part.index_add_(1, facts.query_parts[rows], at_parts.double())
        borders = torch.stack((rows[0], rows[-1] + 1))
        begin, end = torch.searchsorted(facts.queries, borders).tolist()
        queries, keys = facts.queries[begin:end] - rows[0], facts.keys[begin:end]
        inside = (keys >= first) & (keys < last)
        pairs = begin + inside.nonzero()[:, 0]
        self.by_pair[:, pairs] = weights[:, queries[inside], keys[inside] - first].double()
        if facts.start is not None:
            self.by_offset += offset_sums(weights, facts.start + int(rows[0]) - first)


@dataclass(frozen=True, slots=True)
class _OfMask:
    """What a mask leaves of a text's grammar.

    Shapes: by_part [1 or head, part, part]; shares [1 or head, pair]; chance, counted [1 or head, kind]; by_offset
    [offset]; along_offsets [kind, offset].

    Attributes:
        by_part: what a head would put that looks at all keys alike.
        shares: of each pair's look in its bond: 1 over how many of its looks may see any token of the other word.
        chance: sums over bonds of what that head would put.
        counted: bonds any token of which may look.
        by_offset: how many keys so far away may be looked at.
        along_offsets: how far away the tokens looked at are; of each bond, those that one of its looks may see.
    """

    by_part: Tensor
    shares: Tensor
    chance: Tensor
    counted: Tensor
    by_offset: Tensor
    along_offsets: Tensor


class GrammarMeasure:
    """Measures layer after layer of one stack's pass over one text; what masks say of it is found once for each."""

    def __init__(self, facts: GrammarFacts) -> None:
        self._facts = facts
        self._known: dict[bytes, _OfMask] = {}

    def of(self, layer: Layer, looked: Looked) -> LayerGrammar:
        """Put together what the heads of a layer looked at, and what they would by chance."""
        facts, mask = self._facts, self._of(layer)
        weight = _by_kind(facts, looked.by_pair * mask.shares)
        by_kind = (len(facts.relations), len(DIRECTIONS))
        along = (one.view(len(one), *by_kind) for one in (weight, mask.chance, mask.counted))
        along_offsets = mask.along_offsets.view(*by_kind, OFFSETS)
        offsets = (looked.by_offset, mask.by_offset, along_offsets)
        parts = (looked.by_part, mask.by_part, *along, *offsets)
        return LayerGrammar(*(one.cpu().numpy() for one in parts))

    def _of(self, layer: Layer) -> _OfMask:
        key = mask_key(layer)
        if key is None:
            return self._of_mask(layer)
        if key not in self._known:
            self._known[key] = self._of_mask(layer)
        return self._known[key]

    def _of_mask(self, layer: Layer) -> _OfMask:
        facts = self._facts
        looked: Looked | None = None
        by_offset = torch.zeros(OFFSETS, dtype=torch.float64, device=facts.device)
        for rows, allowed in allowed_blocks(layer, facts.device):
            looked = looked or Looked(facts, len(allowed))
            looked.add(alike(allowed), rows, 0)
            if facts.start is not None:
                by_offset += offset_sums(allowed.float(), facts.start + int(rows[0])).mean(dim=0)
        assert looked is not None
        may_see = (looked.by_pair > 0).double()
        seen = may_see.new_zeros((len(may_see), len(facts.bonds))).index_add_(
            1, facts.looks, may_see
        )
        looks = (seen > 0).double()
        of_bonds = looks.new_zeros((len(looks), len(facts.kinds))).index_add_(1, facts.bonds, looks)
        shares = (looks / of_bonds.clamp_min(1)[:, facts.bonds])[:, facts.looks]
        counted = looks.new_zeros((len(looks), _kinds(facts)))
        counted.index_add_(1, facts.kinds, (of_bonds > 0).double())
        return _OfMask(
            by_part=looked.by_part,
            shares=shares,
            chance=_by_kind(facts, looked.by_pair * shares),
            counted=counted,
            by_offset=by_offset,
            along_offsets=_along_offsets(facts, (shares * may_see).mean(dim=0)),
        )


def _by_kind(facts: GrammarFacts, by_pair: Tensor) -> Tensor:
    """Add up pairs by relation and direction, [head, kind]."""
    found = by_pair.new_zeros((len(by_pair), _kinds(facts)))
    return found.index_add_(1, facts.kinds[facts.bonds[facts.looks]], by_pair)


def _along_offsets(facts: GrammarFacts, shares: Tensor) -> Tensor:
    """Add up the shares of pairs by how far apart their tokens are, [kind, offset]."""
    found = shares.new_zeros((_kinds(facts), OFFSETS))
    if facts.start is not None:
        offsets = offset_numbers(facts.keys - facts.queries - facts.start)
        kinds = facts.kinds[facts.bonds[facts.looks]]
        found.index_put_((kinds, offsets), shares, accumulate=True)
    return found


def _kinds(facts: GrammarFacts) -> int:
    return len(DIRECTIONS) * len(facts.relations)
