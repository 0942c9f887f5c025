"""What one text's grammar asks of a stack's heads: the parts of speech of its tokens, and which of them are related."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.stack import Stack
from viz.inputs.units import Units
from viz.survey.grammar.parsed_text import NO_WORD, PART_NAMES, ParsedText, parts_of, words_of

# From the dependant to its head, and from the head to its dependant.
UP, DOWN = DIRECTIONS = range(2)


@dataclass(frozen=True, slots=True)
class GrammarFacts:
    """One stack's view of a text that was parsed.

    A *bond* is two related words in one direction: it begins at one word and ends at the other. A *look* of a bond is one
    token of its first word and all tokens of its second, and a *pair* is one token of either.

    Attributes:
        query_parts: part of speech of each query, int64 [query].
        key_parts: 1 where a key is of a part of speech, float32 [key, part].
        start: where the first query stands among the keys; None where queries are no keys.
        relations: names, sorted.
        queries: of each pair, int64 [pair], never falling.
        keys: of each pair, int64 [pair].
        looks: of which look each pair is, int64 [pair].
        bonds: of which bond each look is, int64 [look].
        kinds: of each bond, twice the number of its relation, + 1 where it leads down from the head, int64 [bond].
    """

    query_parts: Tensor
    key_parts: Tensor
    start: int | None
    relations: tuple[str, ...]
    queries: Tensor
    keys: Tensor
    looks: Tensor
    bonds: Tensor
    kinds: Tensor

    @property
    def device(self) -> torch.device:
        """Where the numbers are."""
        return self.key_parts.device


def grammar_facts(stack: Stack, units: Units, parsed: ParsedText) -> GrammarFacts:
    """Lay a text's grammar over the tokens of a stack.

    Args:
        stack: of the pass over the text.
        units: of the text; an axis of a stack that counts something else has no words.
        parsed: the text.
    """
    device = stack.records[0].tensors[0].device
    queries, keys = (_words(axis, units, parsed) for axis in (stack.queries, stack.keys))
    relations = tuple(sorted({one.relation for one in parsed.arcs}))
    numbers = {name: number for number, name in enumerate(relations)}
    at_queries, at_keys = _tokens(queries), _tokens(keys)
    pairs: list[tuple[int, int, int]] = []
    bonds: list[int] = []
    kinds: list[int] = []
    for arc in parsed.arcs:
        for direction, first, second in (
            (UP, arc.dependant, arc.head),
            (DOWN, arc.head, arc.dependant),
        ):
            begins, ends = at_queries.get(first, ()), at_keys.get(second, ())
            if not begins or not ends:
                continue
            for query in begins:
                pairs += [(query, key, len(bonds)) for key in ends]
                bonds.append(len(kinds))
            kinds.append(len(DIRECTIONS) * numbers[arc.relation] + direction)
    columns = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 3).T.copy()
    key_parts = np.eye(len(PART_NAMES), dtype=np.float32)[parts_of(keys, parsed)]
    return GrammarFacts(
        torch.from_numpy(parts_of(queries, parsed)).to(device),
        torch.from_numpy(key_parts).to(device),
        stack.first_query if stack.aligned else None,
        relations,
        torch.from_numpy(columns[0]).to(device),
        torch.from_numpy(columns[1]).to(device),
        torch.from_numpy(columns[2]).to(device),
        torch.tensor(bonds, dtype=torch.int64, device=device),
        torch.tensor(kinds, dtype=torch.int64, device=device),
    )


def _words(axis: Units, units: Units, parsed: ParsedText) -> NDArray[np.int64]:
    if axis is units or axis == units:
        return words_of(axis, parsed)
    return np.full(len(axis), NO_WORD, dtype=np.int64)


def _tokens(words: NDArray[np.int64]) -> dict[int, list[int]]:
    """List the tokens of each word."""
    found: dict[int, list[int]] = defaultdict(list)
    for token, word in enumerate(words.tolist()):
        if word != NO_WORD:
            found[word].append(token)
    return found
