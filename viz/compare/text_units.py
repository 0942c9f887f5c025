"""A side's units as what they are made of: slots, which are characters or whole special tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from viz.compare.word_split import is_wordlike, words_of
from viz.inputs.units import Units

Key = tuple[str, str]

# What finds special tokens before and after a text, however they are called.
BEGIN, END = ("special", "begin"), ("special", "end")


@dataclass(frozen=True, slots=True)
class Word:
    """A run of slots that is looked for on the other side as one.

    Attributes:
        key: what finds it there: words that have the same are the same.
        read: its text, as it stands.
        slots: its characters.
    """

    key: Key
    read: str
    slots: tuple[int, ...]

    @property
    def sort(self) -> str:
        """Only words of one sort are counterparts: word, sign, special."""
        return self.key[0]


@dataclass(slots=True)
class Spelled:
    """A side, spelled.

    Attributes:
        words: in order.
        spaces: the slots of white space after each word; those before the first at -1.
        whole: slots that each unit covers.
        beside: white space that each unit carries beside its own characters.
    """

    words: list[Word] = field(default_factory=list)
    spaces: dict[int, list[int]] = field(default_factory=dict)
    whole: list[tuple[int, ...]] = field(default_factory=list)
    beside: list[tuple[int, ...]] = field(default_factory=list)
    slots: int = 0


def spelled(units: Units, sources: tuple[str, str] | None) -> Spelled:
    """Spell a side's units.

    Args:
        units: of one axis.
        sources: the texts that the spans of its segments count in; None where nobody knows them.
    """
    side = Spelled()
    inner = [number for number, special in enumerate(units.special) if not special]
    ends = (inner[0], inner[-1]) if inner else (len(units), len(units))
    for start, stop in _runs(units):
        if units.special[start]:
            for number in range(start, stop):
                _add_special(side, units, number, ends)
        elif sources is not None and all(span is not None for span in units.spans[start:stop]):
            _add_text(side, units, start, stop, sources[units.segments[start]])
        else:
            _add_labels(side, units, start, stop)
    return side


def _runs(units: Units) -> Iterator[tuple[int, int]]:
    """Cut units into runs that are special or not, and of one text."""
    kinds = list(zip(units.special, units.segments, strict=True))
    start = 0
    for stop in range(1, len(kinds) + 1):
        if stop == len(kinds) or kinds[stop] != kinds[start]:
            yield start, stop
            start = stop


def _add_special(side: Spelled, units: Units, number: int, ends: tuple[int, int]) -> None:
    """A special token is found by where it stands, before the text, after it or within it."""
    label = units.labels[number]
    key = BEGIN if number < ends[0] else END if number > ends[1] else ("special", label)
    _add_word(side, key, label, 1)
    _add_unit(side, (side.slots - 1,), ())


def _add_text(side: Spelled, units: Units, start: int, stop: int, source: str) -> None:
    """Spell units by the characters of their text."""
    spans = [span for span in units.spans[start:stop] if span is not None]
    segment = units.segments[start]
    # What a tokenizer leaves out before, after and between its units is spelled all the same.
    begun, goes_on = _inside(units, segment, 0, start), _inside(units, segment, stop, len(units))
    first = min(span[0] for span in spans) if begun else 0
    last = max(span[1] for span in spans) if goes_on else len(source)
    base = side.slots - first
    before = len(side.words) - 1
    at = first
    for begin, end in words_of(source[first:last]):
        _add_spaces(side, before, first + begin - at)
        read = source[first + begin : first + end]
        _add_word(side, key_of(read), read, end - begin)
        before, at = before + 1, first + end
    _add_spaces(side, before, last - at)
    for begin, end in spans:
        letters = tuple(base + at for at in range(begin, end) if not source[at].isspace())
        blanks = tuple(base + at for at in range(begin, end) if source[at].isspace())
        _add_unit(side, letters or blanks, blanks if letters else ())
    _give_slots(side, start)


def _inside(units: Units, segment: int, start: int, stop: int) -> bool:
    """Whether some of the units have characters of a text."""
    return any(
        units.segments[number] == segment and units.spans[number] is not None
        for number in range(start, stop)
    )


def _add_labels(side: Spelled, units: Units, start: int, stop: int) -> None:
    """Spell units of which no text is known, word by word."""
    number = start
    while number < stop:
        end = number + 1
        while end < stop and units.words[end] == units.words[number]:
            end += 1
        read = "".join(units.texts[number:end]).strip()
        if read and all(units.texts[number:end]):
            _add_pieces(side, units.texts[number:end], read)
        else:
            name = " ".join(units.labels[number:end])
            _add_word(side, key_of(name), name, end - number)
            for place in range(end - number):
                _add_unit(side, (side.slots - (end - number) + place,), ())
        number = end


def _add_pieces(side: Spelled, pieces: tuple[str, ...], read: str) -> None:
    """Add a word whose pieces are spelled, its outer white space left out."""
    joined = "".join(pieces)
    start = len(side.whole)
    for begin, end in words_of(read):
        word = read[begin:end]
        _add_word(side, key_of(word), word, end - begin)
    # Words of a piece lie next to each other, but for white space within, which has no slot.
    letters = [at for at, character in enumerate(joined) if not character.isspace()]
    slot_of = dict(zip(letters, range(side.slots - len(letters), side.slots), strict=True))
    at = 0
    for piece in pieces:
        _add_unit(side, tuple(slot_of[i] for i in range(at, at + len(piece)) if i in slot_of), ())
        at += len(piece)
    _give_slots(side, start)


def _give_slots(side: Spelled, start: int) -> None:
    """Let units that cover nothing, such as a space that only a model sees, go with what follows."""
    for number in range(len(side.whole) - 2, start - 1, -1):
        if not side.whole[number]:
            side.whole[number] = side.whole[number + 1][:1]


def _add_word(side: Spelled, key: Key, read: str, count: int) -> None:
    side.words.append(Word(key, read, tuple(range(side.slots, side.slots + count))))
    side.slots += count


def _add_spaces(side: Spelled, before: int, count: int) -> None:
    if count:
        slots = list(range(side.slots, side.slots + count))
        side.spaces.setdefault(before, []).extend(slots)
        side.slots += count


def _add_unit(side: Spelled, whole: tuple[int, ...], beside: tuple[int, ...]) -> None:
    side.whole.append(whole)
    side.beside.append(beside)


def key_of(read: str) -> Key:
    """Return what finds a word: the same whatever its case and however its accents are written."""
    sort = "word" if is_wordlike(read) else "sign"
    return sort, unicodedata.normalize("NFKC", read).casefold()
