"""Where a text is cut, so that what a model reads of each part is no longer than asked for."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import Any

from viz.inputs.input_checks import MAX_CHARACTERS, STAND_IN
from viz.inputs.text import count_tokens
from viz.inputs.words import joins, spaced_letter
from viz.models.model import Model

# Characters that are tokenised at once; more for windows that are longer than that.
PIECE_CHARACTERS = 100_000
CHARACTERS_PER_TOKEN = 8

# A window may lose so much of its length for a better border.
NEAR = 0.25

# What no tokenizer is given: null bytes, halves of characters, and what stands for those elsewhere.
UNREADABLE = re.compile(f"[\x00\ud800-\udfff{STAND_IN}]")
REPLACEMENT = "\ufffd"

NOT_SPACE = re.compile(r"\S")
WORD = re.compile(r"\S+")


class Border(IntEnum):
    """What a cut would part, the best first."""

    SPACE = 0
    WORDS = 1
    CHARACTERS = 2
    MARKS = 3


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a text that is read by itself, or dropped.

    Attributes:
        start: its first character.
        stop: its last character + 1.
        tokens: that the model reads of it, special ones included.
    """

    start: int
    stop: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """What was tokenised of a text at once.

    Attributes:
        ends: where each token ends in the text; they never fall.
        stop: where the piece ends in the text.
    """

    ends: list[int]
    stop: int

    def index(self, place: int) -> int:
        """Return the first token that ends behind a place."""
        return bisect_right(self.ends, place)


class Cutter:
    """Cuts texts for a model.

    Args:
        model: whose tokenizer counts.
        length: tokens of a part at most, special ones included.

    Attributes:
        special: tokens that stand for no text, in every part.
        piece_characters: characters that are tokenised at once.
    """

    def __init__(self, model: Model, length: int) -> None:
        self.special = count_tokens(model, "")
        self._model = model
        self._length = length
        self._room = length - self.special
        self.piece_characters = min(
            MAX_CHARACTERS, max(PIECE_CHARACTERS, CHARACTERS_PER_TOKEN * length)
        )

    def cut(self, text: str, *, whole: bool) -> Iterator[Cut]:
        """Cut a text into parts as long as possible, at borders of words; spaces between them are left out.

        Args:
            text: that holds nothing unreadable.
            whole: whether its rest is a part however short; else only what fills one is.

        Cost: tokenises everything twice, once in pieces and once to be sure of each part.
        """
        at = next_character(text, 0)
        while at < len(text):
            piece = self._piece(text, at)
            ends_text = piece.stop == len(text)
            first = True
            while at < piece.stop:
                left = len(piece.ends) - piece.index(at)
                if left <= self._room and not first and not ends_text:
                    break  # more follows than this piece holds
                if left <= self._room and ends_text and not whole:
                    return
                part = self._part(text, at, piece)
                yield part
                at, first = next_character(text, part.stop), False

    def _part(self, text: str, at: int, piece: _Piece) -> Cut:
        """Return the longest part from a place on; longer than allowed only where one character is."""
        index = piece.index(at)
        most = min(self._room, len(piece.ends) - index)
        if index == len(piece.ends):
            # Nothing but what the tokenizer passes over.
            return Cut(at, piece.stop, self.special)
        while True:
            stop = _stop(text, at, piece, most) if most > 0 else at + 1
            part = text[at:stop].rstrip()
            tokens = count_tokens(self._model, part)
            if tokens <= self._length or stop == at + 1:
                return Cut(at, at + len(part), tokens)
            # By itself it has more tokens than within its text.
            most = min(most - (tokens - self._length), _tokens_before(piece, index, stop))

    def _piece(self, text: str, at: int) -> _Piece:
        """Tokenise from a place on, as much as fills a window and no more than a model is given."""
        size = self.piece_characters
        while True:
            stop = min(at + size, len(text))
            ends = list(accumulate((at + end for end in self._ends(text[at:stop])), max))
            if len(ends) > self._room or stop == len(text) or size >= MAX_CHARACTERS:
                return _Piece(ends, stop)
            size = min(MAX_CHARACTERS, 2 * size)

    def _ends(self, text: str) -> Iterator[int]:
        """Return where each token ends; of a tokenizer that does not tell, about where."""
        tokenizer: Any = self._model.tokenizer
        if tokenizer.is_fast:
            encoded = tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            return (end for _, end in encoded["offset_mapping"])
        return (end for word in WORD.finditer(text) for end in _spread(tokenizer, word))


def readable(text: str) -> str:
    """Replace every character that no tokenizer is given by one that stands for it."""
    return UNREADABLE.sub(REPLACEMENT, text)


def _stop(text: str, at: int, piece: _Piece, most: int) -> int:
    """Return where to end a part of at most so many tokens: at the best border near, else the next best."""
    index = piece.index(at)
    near = most - int(NEAR * most)
    best: tuple[Border, int] | None = None
    for last in range(index + most - 1, index - 1, -1):
        stop = piece.stop if last == len(piece.ends) - 1 else piece.ends[last]
        if last + 1 < len(piece.ends) and piece.ends[last + 1] == stop:
            continue  # the next token stands for the same character
        border = _border(text, stop)
        if best is None or border < best[0]:
            best = border, stop
        far = last - index + 1 <= near
        if best[0] is Border.SPACE or (far and best[0] is Border.WORDS):
            break
    return at + 1 if best is None else best[1]


def _tokens_before(piece: _Piece, index: int, stop: int) -> int:
    """Count the tokens of a piece, from one on, that end before a place."""
    return bisect_left(piece.ends, stop, lo=index) - index


def _border(text: str, place: int) -> Border:
    """Tell what a cut before a character parts."""
    if place >= len(text):
        return Border.SPACE
    before, after = text[place - 1], text[place]
    if before.isspace() or after.isspace():
        return Border.SPACE
    if joins(after, before):
        return Border.MARKS
    return Border.CHARACTERS if spaced_letter(before) and spaced_letter(after) else Border.WORDS


def _spread(tokenizer: Any, word: re.Match[str]) -> Iterator[int]:
    """Lay the tokens of a word evenly over its characters."""
    count = len(tokenizer(word[0], add_special_tokens=False, verbose=False)["input_ids"])
    size = len(word[0])
    return (word.start() + -(-size * (number + 1) // count) for number in range(count))


def next_character(text: str, at: int) -> int:
    """Return the next place that is no space; the end where there is none."""
    found = NOT_SPACE.search(text, at)
    return found.start() if found else len(text)
