"""A text cut into words by its characters alone, so that every tokenizer's text is cut alike."""

from __future__ import annotations

import unicodedata

from viz.inputs.words import joins, spaced_letter


def words_of(text: str) -> list[tuple[int, int]]:
    """Return first and last character + 1 of each word; white space belongs to none.

    A word is a run of letters and digits where a script puts spaces between words, a character with its
    marks where it puts none (Chinese, Thai, ...), and a sign of punctuation or an emoji by itself.
    """
    words: list[tuple[int, int]] = []
    for at, character in enumerate(text):
        if character.isspace():
            continue
        before = text[at - 1] if at else ""
        goes_on = bool(words) and words[-1][1] == at
        together = spaced_letter(character) and spaced_letter(before)
        if goes_on and (joins(character, before) or together):
            words[-1] = (words[-1][0], at + 1)
        else:
            words.append((at, at + 1))
    return words


def is_wordlike(text: str) -> bool:
    """Whether a word has a letter, a digit or an emoji, and is no mere punctuation."""
    return any(one.isalnum() or unicodedata.category(one) == "So" for one in text)
