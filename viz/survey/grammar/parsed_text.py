"""The words of a text with their parts of speech and what each depends on, and which word each token is of."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viz.errors import InputError
from viz.inputs.units import Units
from viz.survey.grammar.pipelines import Pipeline
from viz.survey.texts.window_cutting import next_character

# Universal parts of speech (https://universaldependencies.org/u/pos/), and what is of no word or of none of them.
NO_PART = "none"
PART_NAMES = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X", NO_PART),
)
NUMBERS = {name: number for number, name in enumerate(PART_NAMES)}
NONE = NUMBERS[NO_PART]

# Of a token that belongs to no word.
NO_WORD = -1


@dataclass(frozen=True, slots=True)
class Arc:
    """A word that depends on another, both by their numbers."""

    dependant: int
    head: int
    relation: str


@dataclass(frozen=True, slots=True)
class ParsedText:
    """What a pipeline tells of a text.

    Attributes:
        text: as it was read.
        starts: the first character of each word.
        stops: its last character + 1.
        parts: its part of speech, by its number in `PART_NAMES`.
        arcs: which word depends on which; of roots none.
    """

    text: str
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    parts: tuple[int, ...]
    arcs: tuple[Arc, ...]


def parse(pipeline: Pipeline, text: str) -> ParsedText:
    """Let a pipeline read a text.

    Raises:
        InputError: the text is longer than the pipeline reads at once.
    """
    most = pipeline.language.max_length
    if len(text) > most:
        raise InputError(
            f"A window has {len(text):,} characters; the spaCy pipeline {pipeline.name} reads {most:,}.",
            "Choose shorter windows.",
        )
    words = [one for one in pipeline.language(text) if not one.is_space]
    numbers = {one.i: number for number, one in enumerate(words)}
    return ParsedText(
        text=text,
        starts=tuple(one.idx for one in words),
        stops=tuple(one.idx + len(one) for one in words),
        parts=tuple(NUMBERS.get(one.pos_, NONE) for one in words),
        arcs=tuple(
            Arc(number, numbers[one.head.i], one.dep_)
            for number, one in enumerate(words)
            if one.dep_ and one.head.i != one.i and one.head.i in numbers
        ),
    )


def words_of(units: Units, parsed: ParsedText) -> NDArray[np.int64]:
    """Say which word each token is of: the one in which its first character lies that is no space; -1 for none."""
    found = np.full(len(units), NO_WORD, dtype=np.int64)
    named = zip(units.spans, units.special, units.texts, strict=True)
    for at, (span, special, own) in enumerate(named):
        # A space that a tokenizer puts before a text is told to stand where the first word does.
        if special or span is None or own.isspace():
            continue
        place = next_character(parsed.text, span[0])
        word = bisect_right(parsed.starts, place) - 1
        if place < span[1] and word >= 0 and place < parsed.stops[word]:
            found[at] = word
    return found


def parts_of(words: NDArray[np.int64], parsed: ParsedText) -> NDArray[np.int64]:
    """Return the part of speech of each token's word, by its number in `PART_NAMES`."""
    # The last entry is that of tokens of no word, whose number is -1.
    return np.array([*parsed.parts, NONE], dtype=np.int64)[words]
