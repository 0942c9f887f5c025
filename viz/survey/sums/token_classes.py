"""Which class each token is of, as its own text and the tokenizer tell: the ends of what a head looks from and at."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from viz.inputs.units import Units

# Tokens by their own text. Each is of exactly one class.
SPECIAL, LINE_BREAK, SPACE, PUNCTUATION, NUMBER, WORD, PIECE = range(7)
CLASS_NAMES = (
    *("special token", "line break", "space", "punctuation", "number"),
    *("start of a word", "rest of a word"),
)

# What special tokens that end or separate texts are called, however they are written.
SEPARATING = ("sep", "eos", "end", "</s>", "<s/>", "endoftext", "eot")


def token_classes(units: Units) -> NDArray[np.int64]:
    """Class tokens by their own text, by numbers of `CLASS_NAMES`: special ones, marks, starts of words, ..."""
    numbers = np.empty(len(units), dtype=np.int64)
    before: int | None = None
    for at, (text, special, word) in enumerate(
        zip(units.texts, units.special, units.words, strict=True)
    ):
        numbers[at] = _class_of(text, special, word is not None and word == before)
        before = word
    return numbers


def _class_of(text: str, special: bool, goes_on: bool) -> int:
    if special:
        return SPECIAL
    bare = text.strip()
    if not bare:
        # Bytes of a character have no text of their own.
        return PIECE if not text else LINE_BREAK if _breaks(text) else SPACE
    if all(_is_mark(one) for one in bare):
        return PUNCTUATION
    if all(one.isnumeric() or _is_mark(one) for one in bare):
        return NUMBER
    return PIECE if goes_on else WORD


def separators(units: Units) -> NDArray[np.bool_]:
    """Say which tokens separate texts or lines: [SEP], </s>, <|endoftext|>, line breaks."""
    found = np.zeros(len(units), dtype=np.bool_)
    for at, (text, label, special) in enumerate(
        zip(units.texts, units.labels, units.special, strict=True)
    ):
        name = label.lower()
        found[at] = any(one in name for one in SEPARATING) if special else _breaks(text)
    return found


def _breaks(text: str) -> bool:
    return not text.strip() and any(one in text for one in "\n\r\u2028\u2029")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
