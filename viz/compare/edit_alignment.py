"""Which words of one side stand for which of the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Indel

from viz.compare.text_units import BEGIN, END, Key, Spelled, Word, key_of
from viz.compare.word_split import words_of
from viz.errors import AlignmentError

# Pairs of words that an edit distance may weigh; it keeps two bits of each.
MOST_PAIRS = 1_600_000_000

# Special tokens that stand before a text and after it.
ENDS = (BEGIN, END)

# Words of a text that a message quotes.
QUOTED = 6


class Match(NamedTuple):
    """Words of the first side that stand for words of the second; the numbers of both."""

    first: tuple[int, ...]
    second: tuple[int, ...]


def by_edits(first: Spelled, second: Spelled, *, one_text: bool = False) -> list[Match]:
    """Match words by the fewest that must be taken out and put in to turn one text into the other.

    Where words were taken out and others put in, those of one sort are counterparts, in their order.

    Args:
        first: words of the first side.
        second: words of the second.
        one_text: both are of the same text, which a tokenizer may have left nothing of.

    Returns:
        One word with one word, ascending on both sides.

    Raises:
        AlignmentError: both texts are too long, or have no word in common.

    Source: the edit distance of insertions and deletions, Wagner & Fischer 1974. Cost: words * words / 64,
    and two bits of memory for each pair.
    """
    inner, ends = zip(*(_split(side.words) for side in (first, second)), strict=True)
    matches = _matched(first.words, second.words, inner)
    if not one_text:
        _require_something(first.words, second.words, matches)
    return sorted([*matches, *_matched(first.words, second.words, ends)])


def _split(words: Sequence[Word]) -> tuple[list[int], list[int]]:
    """Tell words apart from the special tokens before and after a text, which match by themselves."""
    ends = [number for number, word in enumerate(words) if word.key in ENDS]
    return [number for number, word in enumerate(words) if word.key not in ENDS], ends


def _matched(
    first: Sequence[Word], second: Sequence[Word], numbers: tuple[list[int], ...]
) -> list[Match]:
    """Match those of the words whose numbers are given."""
    left, right = numbers
    one, other = [first[n].key for n in left], [second[n].key for n in right]
    if one != other and len(one) * len(other) > MOST_PAIRS:
        raise AlignmentError(
            f"The two texts differ and have {len(one):,} and {len(other):,} words, "
            "too many for an edit distance.",
            "Compare shorter parts of them.",
        )
    return [Match((left[a],), (right[b],)) for a, b in _paired(one, other)]


def _paired(one: Sequence[Key], other: Sequence[Key]) -> list[tuple[int, int]]:
    """Match the same words first, the same signs between them next, counterparts of one sort last."""
    spoken = [[n for n, key in enumerate(side) if key[0] != "sign"] for side in (one, other)]
    words = _same([one[n] for n in spoken[0]], [other[n] for n in spoken[1]])
    pairs = [(spoken[0][a], spoken[1][b]) for a, b in words]
    pairs = _filled(pairs, one, other)
    return _filled(pairs, [key[0] for key in one], [key[0] for key in other])


def _filled(
    pairs: list[tuple[int, int]], one: Sequence[Hashable], other: Sequence[Hashable]
) -> list[tuple[int, int]]:
    """Match what is the same between pairs that are known, and return all in order."""
    filled: list[tuple[int, int]] = []
    start = (0, 0)
    for pair in [*pairs, (len(one), len(other))]:
        between = _same(one[start[0] : pair[0]], other[start[1] : pair[1]])
        filled += [(start[0] + a, start[1] + b) for a, b in between]
        filled.append(pair)
        start = (pair[0] + 1, pair[1] + 1)
    return filled[:-1]


def _same(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return the longest common subsequence, as places on both sides."""
    blocks = Indel.opcodes(one, other).as_matching_blocks() if one and other else []
    return [(block.a + n, block.b + n) for block in blocks for n in range(block.size)]


def _require_something(
    first: Sequence[Word], second: Sequence[Word], matches: Sequence[Match]
) -> None:
    """Refuse texts that share no word, which any edit distance would lay side by side all the same."""
    same = {first[a].sort for (a,), (b,) in matches if first[a].key == second[b].key}
    spoken = {word.sort for words in (first, second) for word in words}
    needed = "word" if "word" in spoken else "sign"
    if needed in spoken and needed not in same:
        raise AlignmentError(
            f"The texts {_quoted(first)} and {_quoted(second)} have no word in common, "
            "so nothing says what belongs together.",
            'Say it, one pair of words a line, as in "animal = Tier", or compare by position.',
        )


def _quoted(words: Sequence[Word]) -> str:
    read = [word.read for word in words if word.sort != "special"]
    return repr(" ".join(read[:QUOTED]) + (" …" if len(read) > QUOTED else ""))


def by_pairing(first: Spelled, second: Spelled, pairing: Sequence[tuple[str, str]]) -> list[Match]:
    """Match phrases that somebody says belong together; special tokens match by their place.

    A phrase that is named again means its next place.

    Raises:
        AlignmentError: a phrase does not stand in its text, or not once more.
    """
    taken: tuple[set[int], set[int]] = (set(), set())
    matches = [
        Match(
            _found(first.words, one, taken[0], "first"),
            _found(second.words, other, taken[1], "second"),
        )
        for one, other in pairing
    ]
    specials = tuple(
        [number for number, word in enumerate(side.words) if word.sort == "special"]
        for side in (first, second)
    )
    return matches + _matched(first.words, second.words, specials)


def _found(words: Sequence[Word], phrase: str, taken: set[int], which: str) -> tuple[int, ...]:
    """Return the words of a phrase at its first place that is not taken, and take it."""
    keys = [key_of(phrase[start:stop]) for start, stop in words_of(phrase)]
    for start in range(len(words) - len(keys) + 1) if keys else ():
        place = tuple(range(start, start + len(keys)))
        if not taken.intersection(place) and [words[n].key for n in place] == keys:
            taken.update(place)
            return place
    mentioned = sum(1 for n in taken if words[n].key in keys)
    again = " once more" if mentioned else ""
    raise AlignmentError(
        f"The {which} text has no {phrase.strip()[:60]!r}{again}.",
        f"Pair words as they stand in the {which} text: {_quoted(words)}.",
    )
