"""What rows and columns count, named so that a person can read it in any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

SPACE, NEWLINE, TAB = "·", "⏎", "⇥"

_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE = "\u2581"
ZERO_WIDTH_JOINER = "\u200d"
PATCH = re.compile(r"(\d+),(\d+)")


class Grid(NamedTuple):
    """How the patches of a picture lie: so many units before them, then row by row."""

    before: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Units:
    """The units along one axis, in order.

    Attributes:
        kind: what one unit is, `token` for texts.
        labels: readable text with spaces and line breaks made visible.
        texts: the text that each unit stands for; empty for special tokens.
        ids: the numbers that the model reads.
        special: True for tokens that the tokenizer added ([CLS], </s>, ...).
        spans: first and last character + 1 in its text; None where there is none.
        words: the number of the word each belongs to; None for special tokens.
        segments: 0 for the first text, 1 for the second.
    """

    kind: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    ids: tuple[int, ...]
    special: tuple[bool, ...]
    spans: tuple[tuple[int, int] | None, ...]
    words: tuple[int | None, ...]
    segments: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def counted(self) -> str:
        """Say how many of what: 24 tokens."""
        return counted(len(self), self.kind)

    def part(self, start: int, stop: int) -> Units:
        """Return the units of a span."""
        fields = {name: value[start:stop] for name, value in asdict(self).items() if name != "kind"}
        return Units(kind=self.kind, **fields)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a file's metadata."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Units:
        """Read back what `to_json` wrote, also after JSON made lists of tuples."""
        spans = tuple(None if span is None else (span[0], span[1]) for span in data["spans"])
        fields = {name: tuple(value) for name, value in data.items() if name != "kind"}
        return cls(**{**fields, "kind": data["kind"], "spans": spans})


def units_from_encoding(
    tokenizer: PreTrainedTokenizerBase, encoding: Any, text: str, pair: str | None
) -> Units:
    """Name the units of a tokenised text.

    Args:
        tokenizer: what made the encoding.
        encoding: its answer for one text, with `special_tokens_mask` and, from a fast tokenizer,
            `offset_mapping`.
        text: the first text.
        pair: the second text, if there is one.
    """
    ids = [int(number) for number in encoding["input_ids"]]
    if not tokenizer.is_fast:
        return units_from_ids(tokenizer, ids)
    special = [bool(flag) for flag in encoding["special_tokens_mask"]]
    segments = [number or 0 for number in encoding.sequence_ids()]
    offsets = [(int(a), int(b)) for a, b in encoding["offset_mapping"]]
    texts = _texts(tokenizer, ids, special)
    sources = (text, pair or "")
    return Units(
        kind="token",
        labels=_labels(tokenizer, ids, texts, special, offsets, segments, sources),
        texts=tuple("" if s else t for t, s in zip(texts, special, strict=True)),
        ids=tuple(ids),
        special=tuple(special),
        spans=tuple(None if s else o for o, s in zip(offsets, special, strict=True)),
        words=_words(offsets, special, segments, sources),
        segments=tuple(segments),
    )


def units_from_ids(tokenizer: PreTrainedTokenizerBase | None, ids: Sequence[int]) -> Units:
    """Name units of which only the numbers are known; without a tokenizer by number."""
    numbers = [int(number) for number in ids]
    count = len(numbers)
    if tokenizer is None:
        texts = [str(number) for number in numbers]
        special = [False] * count
        labels: tuple[str, ...] = tuple(texts)
        words: tuple[int | None, ...] = tuple(range(count))
    else:
        known = set(tokenizer.all_special_ids)
        special = [number in known for number in numbers]
        texts = _texts(tokenizer, numbers, special)
        labels = tuple(
            tokenizer.convert_ids_to_tokens(n) if s or not t else visible(t)
            for n, t, s in zip(numbers, texts, special, strict=True)
        )
        words = _words_from_texts(tokenizer, numbers, texts, special)
    return Units(
        kind="token",
        labels=labels,
        texts=tuple("" if s else t for t, s in zip(texts, special, strict=True)),
        ids=tuple(numbers),
        special=tuple(special),
        spans=(None,) * count,
        words=words,
        segments=(0,) * count,
    )


def units_from_labels(labels: Sequence[str], kind: str = "token") -> Units:
    """Name units as somebody else named them."""
    units = numbered_units(kind, len(labels))
    texts = tuple(str(label) for label in labels)
    return replace(units, labels=tuple(map(visible, texts)), texts=texts)


def patch_units(rows: int, columns: int, before: int = 0) -> Units:
    """Name the patches of a picture by row and column, after the tokens that stand before them."""
    units = numbered_units("patch", before + rows * columns)
    first = tuple("[CLS]" if number == 0 else f"[REG{number}]" for number in range(before))
    grid = tuple(f"{row},{column}" for row in range(rows) for column in range(columns))
    special = (True,) * before + (False,) * (rows * columns)
    return replace(units, labels=first + grid, special=special)


def patch_grid(units: Units) -> Grid | None:
    """Return how the patches of a picture lie, by their names; None for other units."""
    before = sum(units.special)
    places = [PATCH.fullmatch(label) for label in units.labels[before:]]
    if not places or None in places:
        return None
    last = places[-1]
    return Grid(before, int(last[1]) + 1, int(last[2]) + 1) if last is not None else None


def extended(units: Units, count: int) -> Units:
    """Add units of a layer's own, such as global tokens, up to a number."""
    more = count - len(units)
    if more <= 0:
        return units
    return Units(
        kind=units.kind,
        labels=(*units.labels, *(f"global {number}" for number in range(more))),
        texts=(*units.texts, *("",) * more),
        ids=(*units.ids, *(-1,) * more),
        special=(*units.special, *(True,) * more),
        spans=(*units.spans, *(None,) * more),
        words=(*units.words, *(None,) * more),
        segments=(*units.segments, *(0,) * more),
    )


def numbered_units(kind: str, count: int) -> Units:
    """Name units by their number, such as patches and frames."""
    return Units(
        kind=kind,
        labels=tuple(f"{kind} {number}" for number in range(count)),
        texts=("",) * count,
        ids=tuple(range(count)),
        special=(False,) * count,
        spans=(None,) * count,
        words=tuple(range(count)),
        segments=(0,) * count,
    )


def counted(count: int, kind: str) -> str:
    """Say how many of what: 1 layer, 24 patches."""
    ending = "" if count == 1 else "es" if kind.endswith("ch") else "s"
    return f"{count} {kind}{ending}"


def visible(text: str) -> str:
    """Make spaces, tabs, line breaks and other characters without a picture visible."""
    shown = text.replace(" ", SPACE).replace("\n", NEWLINE).replace("\t", TAB).replace("\r", "␍")
    return "".join(_control_picture(character) for character in shown)


def _control_picture(character: str) -> str:
    if ord(character) < 32:
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else character


def _texts(tokenizer: PreTrainedTokenizerBase, ids: list[int], special: list[bool]) -> list[str]:
    """Turn each token into the text it stands for; pieces of one character become ''."""
    names = tokenizer.convert_ids_to_tokens(ids)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = repr(backend.decoder) if backend is not None else ""
    byte_level = "ByteLevel" in decoder
    texts = []
    for name, is_special in zip(names, special, strict=True):
        if name is None or is_special:
            texts.append("")
        elif byte_level and all(character in _BYTE_OF for character in name):
            raw = bytes(_BYTE_OF[character] for character in name)
            texts.append(_decoded(raw))
        elif fallback := _BYTE_FALLBACK.fullmatch(name):
            texts.append(_decoded(bytes([int(fallback[1], 16)])))
        else:
            piece = name.removeprefix("##") if "WordPiece" in decoder else name
            texts.append(piece.replace(_METASPACE, " ").removesuffix("</w>"))
    return texts


def _decoded(raw: bytes) -> str:
    """Decode whole characters; a piece of one has no text of its own."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _labels(
    tokenizer: PreTrainedTokenizerBase,
    ids: list[int],
    texts: list[str],
    special: list[bool],
    offsets: list[tuple[int, int]],
    segments: list[int],
    sources: tuple[str, str],
) -> tuple[str, ...]:
    """Label whole characters by themselves, and pieces of a character as `character 1/3`."""
    names = tokenizer.convert_ids_to_tokens(ids)
    labels = []
    for index, text in enumerate(texts):
        if special[index]:
            labels.append(str(names[index]))
        elif ids[index] == tokenizer.unk_token_id:
            start, stop = offsets[index]
            unread = visible(sources[segments[index]][start:stop])
            labels.append(f"{names[index]} {unread}".strip())
        elif text:
            labels.append(visible(text))
        else:
            start, stop = offsets[index]
            whole = visible(sources[segments[index]][start:stop])
            part, parts = _part_of_character(index, texts, special, offsets, segments)
            labels.append(f"{whole} {part}/{parts}" if parts > 1 else whole or str(names[index]))
    return tuple(labels)


def _part_of_character(
    index: int,
    texts: list[str],
    special: list[bool],
    offsets: list[tuple[int, int]],
    segments: list[int],
) -> tuple[int, int]:
    """Count which piece of its character a token is, from 1, and how many pieces there are."""

    def same(other: int) -> bool:
        return (
            0 <= other < len(texts)
            and not special[other]
            and not texts[other]
            and segments[other] == segments[index]
            and offsets[other][1] == offsets[index][1]
        )

    first = index
    while same(first - 1):
        first -= 1
    last = index
    while same(last + 1):
        last += 1
    return index - first + 1, last - first + 1


def _words(
    offsets: list[tuple[int, int]],
    special: list[bool],
    segments: list[int],
    sources: tuple[str, str],
) -> tuple[int | None, ...]:
    """Number the words; a new one starts after white space, and at every non-spacing script.

    Where a script writes no spaces (Chinese, Thai, ...), each token is a word of its own, unless
    it is a piece of the same character as the token before.
    """
    words: list[int | None] = []
    word = -1
    before: tuple[int, tuple[int, int]] | None = None
    for segment, (start, stop), is_special in zip(segments, offsets, special, strict=True):
        if is_special:
            words.append(None)
            before = None
            continue
        source = sources[segment]
        if before is None or _starts_word(source, before, (segment, (start, stop))):
            word += 1
        words.append(word)
        before = (segment, (start, stop))
    return tuple(words)


def _starts_word(
    source: str, before: tuple[int, tuple[int, int]], here: tuple[int, tuple[int, int]]
) -> bool:
    (segment_before, (start_before, stop_before)), (segment, (start, stop)) = before, here
    if segment != segment_before:
        return True
    if stop == stop_before or joins(source[start : start + 1], source[start - 1 : start]):
        return False
    between = source[stop_before:start]
    first, last = source[start : start + 1], source[stop_before - 1 : stop_before]
    if source[start_before:stop_before] == " " and not between and not first.isspace():
        return False  # a space that stands alone begins the word after it
    if between or first.isspace() or last.isspace():
        return True
    together = spaced_letter(first) and spaced_letter(last)
    return not together


def joins(character: str, before: str) -> bool:
    """Whether a character is drawn as one with the one before: marks, joined emoji, skin tones."""
    if not character or not before or before.isspace():
        return False
    joined = ZERO_WIDTH_JOINER in (character, before)
    return joined or unicodedata.category(character) in ("Mn", "Mc", "Me", "Sk")


def spaced_letter(character: str) -> bool:
    """Whether a character belongs to a word in a script that puts spaces between words."""
    if not character or not (character.isalnum() or character in "'’_\u0300\u0301"):
        return False
    return not any(first <= ord(character) <= last for first, last in _UNSPACED)


# Thai to Myanmar, Khmer, kana, CJK ideographs (with extensions): scripts written without spaces.
_UNSPACED = (
    (0x0E00, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0x20000, 0x3FFFF),
)


def _words_from_texts(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], texts: list[str], special: list[bool]
) -> tuple[int | None, ...]:
    """Number the words where there are no offsets: a token that starts with a space starts one."""
    names = tokenizer.convert_ids_to_tokens(ids)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    continues = backend is not None and "WordPiece" in repr(backend.decoder)
    continues = continues or any(str(name).startswith("##") for name in names)
    words: list[int | None] = []
    word = -1
    fresh = True
    for name, text, is_special in zip(names, texts, special, strict=True):
        if is_special:
            words.append(None)
            fresh = True
            continue
        starts = not str(name).startswith("##") if continues else text[:1].isspace()
        if fresh or starts:
            word += 1
        fresh = False
        words.append(word)
    return tuple(words)
