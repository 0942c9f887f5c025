"""Minimal pairs: a base text, and the same with an edit each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from viz.compare.word_split import is_wordlike, words_of
from viz.errors import TextError

# Texts that are run at a time, the base included.
MOST_VARIANTS = 200

# Characters of a text or of a list of edits.
MOST_CHARACTERS = 100_000

# Characters of a title.
LONGEST_TITLE = 60

# What stands between what is replaced and what replaces it.
ARROW = re.compile(r"(?<=\s)(?:->|→)(?=\s|$)")

# In a line without any space, which can hardly be a text, it is meant all the same: `animal->dog`.
GLUED = re.compile(r"->|→")

# A place, where what is replaced stands several times: `the[2] -> a`.
NTH = re.compile(r"(.+)\[(\d{1,6})\]", re.DOTALL)


# Where words start, and where they end.
Ends = tuple[set[int], set[int]]


@dataclass(frozen=True, slots=True)
class Variant:
    """A text and what it is called among its like."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Variants:
    """A base text and its variants, no text twice.

    Attributes:
        every: the base first.
        repeated: titles of those that were left out, because their text was there before.
    """

    every: tuple[Variant, ...]
    repeated: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Variant]:
        return iter(self.every)

    def __len__(self) -> int:
        return len(self.every)

    @property
    def base(self) -> Variant:
        """What the others are compared with."""
        return self.every[0]

    @property
    def others(self) -> tuple[Variant, ...]:
        """All but the base."""
        return self.every[1:]


def edited(base: str, edits: Sequence[str]) -> Variants:
    """Apply each edit to the base by itself.

    Args:
        base: the text that all are compared with.
        edits: each either `old -> new`, which replaces `old` in the base wherever it stands as whole words
            (or else as a part of them), `old[2] -> new`, which replaces its second place, `old ->`, which
            takes it out, or a whole text of its own. Empty ones are skipped.

    Raises:
        TextError: an edit cannot be made, there are too many, or a text is empty or too long.
    """
    wanted = [(number, edit) for number, edit in enumerate(edits, 1) if edit.strip()]
    require_few(len(wanted) + 1)
    require_short("".join(edit for _, edit in wanted), "list of edits")
    require_short(base, "base text")
    ends = _ends_of_words(base)
    return collected(base, (_edited(base, ends, edit.strip(), number) for number, edit in wanted))


def collected(base: str, variants: Iterable[Variant]) -> Variants:
    """Put the base before its variants, and leave out texts that were there before.

    Raises:
        TextError: a text is empty or too long, or no variant differs from the base.
    """
    if not base.strip():
        raise TextError("The base text is empty.", "Write one that the others are compared with.")
    require_short(base, "base text")
    found = {base: Variant("base", base)}
    repeated = []
    for variant in variants:
        if not variant.text.strip():
            raise TextError(
                f"The text of {variant.title!r} is empty.", "Leave some of it standing."
            )
        require_short(variant.text, f"text of {variant.title!r}")
        if variant is not found.setdefault(variant.text, variant):
            repeated.append(variant.title)
    if len(found) == 1:
        raise TextError(
            "No variant differs from the base text, so there is nothing to compare.",
            'Add an edit, as in "animal -> dog".',
        )
    return Variants(tuple(found.values()), tuple(repeated))


def title_of(base: str, text: str) -> str:
    """Name a text by the words that differ from the base: `animal → dog`."""
    one, other = base.split(), text.split()
    before = _alike(one, other)
    after = _alike(one[before:][::-1], other[before:][::-1])
    if not before + after:
        return shortened(text.strip())
    old, new = (" ".join(words[before : len(words) - after]) for words in (one, other))
    return shortened(f"{old} → {new}".strip())


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Count how many are the same from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def shortened(title: str) -> str:
    """Cut what is too long for a title."""
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"


def joined(parts: Iterable[str]) -> str:
    """Write parts of a text one after the other; where one is empty a space beside it goes too."""
    text, gap = "", False
    for part in parts:
        if not part:
            gap = True
            continue
        before, after = _closed(text, part) if gap else (text, part)
        text, gap = before + after, False
    return _closed(text, "")[0] if gap else text


def _closed(before: str, after: str) -> tuple[str, str]:
    """Close the gap that a word left: of two spaces one goes, and the one before a sign or the end."""
    if after.startswith(" ") and (not before or before[-1].isspace()):
        return before, after[1:]
    follows = bool(after) and (after[0].isspace() or is_wordlike(after[0]))
    return (before if follows else before.removesuffix(" ")), after


def _edited(base: str, ends: Ends, edit: str, number: int) -> Variant:
    arrow = ARROW if re.search(r"\s", edit.strip()) else GLUED
    sides = [side.strip() for side in arrow.split(f" {edit}")]
    if len(sides) == 1:
        return Variant(title_of(base, edit), edit)
    if len(sides) > 2 or not sides[0]:
        raise TextError(
            f"Edit {number}, {edit[:60]!r}, does not say one text that replaces one other.",
            'Write it as in "animal -> dog", or write a whole text.',
        )
    old, new = sides
    nth = NTH.fullmatch(old) if old not in base else None
    places = _places(base, ends, nth[1] if nth else old)
    if not places:
        raise TextError(
            f"The base text has no {(nth[1] if nth else old)[:60]!r}, which edit {number} would replace.",
            "Write what stands in the base text, capitals and spaces alike.",
        )
    if nth:
        if not 1 <= int(nth[2]) <= len(places):
            times = "once" if len(places) == 1 else f"{len(places)} times"
            raise TextError(
                f"The base text has {nth[1][:60]!r} {times}, and edit {number} would replace place {nth[2]}.",
                f"Choose 1 to {len(places)}.",
            )
        places = [places[int(nth[2]) - 1]]
    parts, at = [], 0
    for start, stop in places:
        parts += [base[at:start], new]
        at = stop
    return Variant(shortened(f"{old} → {new}".strip()), joined([*parts, base[at:]]))


def _ends_of_words(base: str) -> Ends:
    words = words_of(base)
    return {start for start, _ in words}, {stop for _, stop in words}


def _places(base: str, ends: Ends, old: str) -> list[tuple[int, int]]:
    """Return where a text stands as whole words; where it never does, as a part of them."""
    places = [found.span() for found in re.finditer(re.escape(old), base)]
    return [(a, b) for a, b in places if a in ends[0] and b in ends[1]] or places


def require_short(text: str, what: str) -> None:
    """Refuse a text that is too long to be run.

    Raises:
        TextError: it is.
    """
    if len(text) > MOST_CHARACTERS:
        raise TextError(
            f"The {what} has {len(text):,} characters; {MOST_CHARACTERS:,} are read.", "Shorten it."
        )


def require_few(count: int) -> None:
    """Refuse more texts than are run at a time.

    Raises:
        TextError: there are too many.
    """
    if count > MOST_VARIANTS:
        raise TextError(
            f"That makes {count:,} texts, the base included; {MOST_VARIANTS} are compared at a time.",
            "Leave some out.",
        )
