"""The tables of a survey, made of its sums: scores, distributions, classes, relations, examples and their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from viz.survey.class_frames import class_frames, mean
from viz.survey.grammar.grammar_tables import part_frames, relation_table
from viz.survey.measured import Measured
from viz.survey.sums.distribution_bins import edges_of
from viz.survey.sums.row_blocks import TEXT_SCORES
from viz.survey.sums.shown_window import TokenEnd
from viz.survey.sums.survey_sums import SurveySums

# Columns that name a head.
HEAD = ["stack", "layer", "head"]

# What `kind` of class the tokenizer's own classes of tokens are; see also `grammar_tables.PART`.
BY_TOKENIZER = "token"

# Every table of a survey, and what a row of it is.
TABLES = {
    "scores": "a score of a head",
    "distributions": "a bin of a score of a head",
    "classes": "what a head looks at from tokens of one class",
    "examples": "an edge of a head",
    "windows": "a text that examples are in",
}

# Those that a survey has besides whose texts a pipeline read along.
GRAMMAR_TABLES = {"relations": "a dependency relation of a head in one direction"}


def text_scores(sums: SurveySums) -> list[Measured]:
    """Divide the sums over a corpus: every score of texts, of every stack."""
    found = []
    for name, stack in sums.stacks.items():
        for number, score in enumerate(TEXT_SCORES):
            total, counted = stack.total[..., number], stack.counted[..., number]
            chance, of_chance = stack.chance_total[..., number], stack.chance_counted[..., number]
            found.append(
                Measured(
                    score=score,
                    stack=name,
                    value=mean(total.sum(axis=0), counted.sum(axis=0)),
                    chance=mean(chance.sum(axis=0), of_chance.sum(axis=0)),
                    halves=mean(total, counted),
                    counted=counted.sum(axis=0).astype(np.int64),
                )
            )
    return found


def score_table(sums: SurveySums, measured: Sequence[Measured]) -> pd.DataFrame:
    """Return a row for each score of each head: value, chance, either half of the corpus, and how many counted."""
    frames = []
    for one in [*text_scores(sums), *measured]:
        for layer, heads in enumerate(_heads(sums, one)):
            frames.append(
                pd.DataFrame(
                    {
                        "stack": one.stack,
                        "layer": layer,
                        "head": np.arange(heads),
                        "score": one.score,
                        "value": one.value[layer, :heads],
                        "chance": one.chance[layer, :heads],
                        "first_half": one.halves[0, layer, :heads],
                        "second_half": one.halves[1, layer, :heads],
                        "counted": one.counted[layer, :heads],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _heads(sums: SurveySums, one: Measured) -> Sequence[int]:
    stack = sums.stacks.get(one.stack)
    return stack.heads if stack is not None else [one.value.shape[1]] * one.value.shape[0]


def distribution_table(sums: SurveySums) -> pd.DataFrame:
    """Return a row for each bin that is not empty: from, to, and the share of the head's rows in it."""
    frames = []
    for name, stack in sums.stacks.items():
        layers, heads, scores, bins = np.nonzero(stack.shares)
        rows = stack.shares[layers, heads, scores, bins]
        whole = stack.shares.sum(axis=-1)[layers, heads, scores]
        borders = np.stack([edges_of(score) for score in TEXT_SCORES])
        frames.append(
            pd.DataFrame(
                {
                    "stack": name,
                    "layer": layers,
                    "head": heads,
                    "score": np.array(TEXT_SCORES)[scores],
                    "low": borders[scores, bins],
                    "high": borders[scores, bins + 1],
                    "share": rows / whole,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def class_table(sums: SurveySums) -> pd.DataFrame:
    """Return a row for each pair of classes of one kind: the tokenizer's own, and parts of speech where they are known."""
    own = (
        frame
        for name, stack in sums.stacks.items()
        for frame in class_frames(
            (name, BY_TOKENIZER, stack.classes),
            stack.heads,
            stack.by_class,
            stack.chance_by_class,
            stack.class_rows,
        )
    )
    return pd.concat([*own, *part_frames(sums.grammar)], ignore_index=True)


def example_table(sums: SurveySums) -> pd.DataFrame:
    """Return a row for each example: its kind, its place among them, its window, query, key and weight.

    Of query and key also the label, and the first and last character + 1 in the window's text; -1 of what is written and not
    read.
    """

    def rows() -> Iterator[tuple[Any, ...]]:
        for name, stack in sums.stacks.items():
            for (kind, layer, head), edges in sorted(stack.examples.items()):
                for place, edge in enumerate(edges):
                    window = sums.shown[edge.window]
                    query = window.places[TokenEnd(name, "query", edge.query)]
                    key = window.places[TokenEnd(name, "key", edge.key)]
                    named = (name, layer, head, kind, place, edge.window)
                    yield (*named, edge.query, edge.key, edge.weight, *query, *key)

    columns = [*HEAD, "kind", "place", "window", "query", "key", "weight"]
    places = [f"{end}_{part}" for end in ("query", "key") for part in ("label", "from", "to")]
    return pd.DataFrame(list(rows()), columns=[*columns, *places])


def window_table(sums: SurveySums) -> pd.DataFrame:
    """Return a row for each window that examples are in: its number, text, source, and where it begins there."""
    shown = sorted(sums.shown.items())
    return pd.DataFrame(
        [
            [number, one.window.text, one.window.source, one.window.start, one.window.tokens]
            for number, one in shown
        ],
        columns=["window", "text", "source", "start", "tokens"],
    )


def tables(sums: SurveySums, measured: Sequence[Measured]) -> dict[str, pd.DataFrame]:
    """Make every table; see `TABLES` and `GRAMMAR_TABLES`."""
    known = any(stack.relations for stack in sums.grammar.values())
    along = {"relations": relation_table(sums.grammar)} if known else {}
    return along | {
        "scores": score_table(sums, measured),
        "distributions": distribution_table(sums),
        "classes": class_table(sums),
        "examples": example_table(sums),
        "windows": window_table(sums),
    }
