"""What heads do along grammar as tables: parts of speech looked from and at, and relations followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viz.survey.class_frames import class_frames, mean
from viz.survey.grammar.grammar_facts import DIRECTIONS
from viz.survey.grammar.grammar_sums import GrammarSums
from viz.survey.grammar.parsed_text import NONE, PART_NAMES

# What `kind` of class a part of speech is, in the table of classes.
PART = "part of speech"

# Which end of a relation looks at which, in the order of `DIRECTIONS`.
DEPENDANT, HEAD = "dependant", "head"
LOOKS_FROM, LOOKS_AT = (DEPENDANT, HEAD), (HEAD, DEPENDANT)


def part_frames(sums: Mapping[str, GrammarSums]) -> Iterable[pd.DataFrame]:
    """Give the rows of parts of speech in the table of classes; none of a stack whose tokens have none."""
    for name, stack in sums.items():
        if any(stack.part_rows[:, part].any() for part in range(len(PART_NAMES)) if part != NONE):
            yield from class_frames(
                (name, PART, PART_NAMES),
                stack.heads,
                stack.by_part,
                stack.chance_by_part,
                stack.part_rows,
            )


def relation_table(sums: Mapping[str, GrammarSums]) -> pd.DataFrame:
    """Give a row for each relation of each head in either direction: the mean weight from one word to the other.

    It is summed over the tokens of the word looked at, and averaged over those of the other that may look at any of
    them; `counted` says over how many words. `by_distance` is what the same head puts between any tokens that are as far
    apart, so that a head that looks at neighbours alone is not taken for one that follows a relation between them.
    """
    frames = []
    for name, stack in sums.items():
        by_distance = _by_distance(stack)
        for layer, heads in enumerate(stack.heads):
            shape = (heads, len(stack.relations), len(DIRECTIONS))
            head, relation, direction = np.indices(shape).reshape(3, -1)
            counted = stack.counted[:, layer, head, relation, direction]
            some = counted.sum(axis=0) > 0
            head, relation, direction = head[some], relation[some], direction[some]
            at, counted = (layer, head, relation, direction), counted[:, some]
            weight = np.stack([half[at] for half in stack.weight])
            frames.append(
                pd.DataFrame(
                    {
                        "stack": name,
                        "layer": layer,
                        "head": head,
                        "relation": np.array(stack.relations, dtype=object)[relation],
                        "looks_from": np.array(LOOKS_FROM)[direction],
                        "looks_at": np.array(LOOKS_AT)[direction],
                        "weight": mean(weight.sum(axis=0), counted.sum(axis=0)),
                        "chance": mean(stack.chance[at], counted.sum(axis=0)),
                        "by_distance": by_distance[at],
                        "first_half": mean(weight[0], counted[0]),
                        "second_half": mean(weight[1], counted[1]),
                        "counted": counted.sum(axis=0).astype(np.int64),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _by_distance(stack: GrammarSums) -> NDArray[np.float64]:
    """Say what each head puts between tokens that are as far apart as related words, [layer, head, relation, direction]."""
    usual = mean(stack.by_offset, stack.allowed_by_offset[:, None])
    along = np.einsum("lrdo,lho->lhrd", stack.along_offsets, np.nan_to_num(usual))
    # The same for all heads of a layer, but for heads with masks of their own, whose mean it is.
    heads = np.array(stack.heads)[:, None, None]
    found: NDArray[np.float64] = mean(along, (stack.counted.sum(axis=(0, 2)) / heads)[:, None])
    return found
