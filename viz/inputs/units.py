"""What rows and columns count, named so that a person can read it in any language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from viz.inputs.token_text import labels_of, special_ids, spell, visible
from viz.inputs.words import words_from_spans, words_from_texts

# A character has four bytes at most, and each may be a token.
NEIGHBOURS = 3

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
        special: True for tokens that stand for no text ([CLS], </s>, <|im_start|>, ...), whether the
            tokenizer added them or the text holds them.
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
        return units_from_ids(tokenizer, ids, None if pair else text)
    spelling = spell(tokenizer, ids)
    known = special_ids(tokenizer)
    # What a tokenizer adds is no text even where its id could be (an unknown word's, GPT-2's).
    special = tuple(
        bool(flag) or number in known
        for flag, number in zip(encoding["special_tokens_mask"], ids, strict=True)
    )
    texts = tuple("" if s else t for t, s in zip(spelling.texts, special, strict=True))
    spelling = replace(spelling, special=special, texts=texts)
    segments = [number or 0 for number in encoding.sequence_ids()]
    offsets = [(int(a), int(b)) for a, b in encoding["offset_mapping"]]
    sources = (text, pair or "")
    # Asked once: tokenizers look their special tokens up by name each time.
    unknown_id = tokenizer.unk_token_id
    unknown = [number == unknown_id for number in ids]
    return Units(
        kind="token",
        labels=labels_of(spelling, offsets, segments, sources, unknown),
        texts=texts,
        ids=tuple(ids),
        special=special,
        spans=tuple(None if s else o for o, s in zip(offsets, special, strict=True)),
        words=words_from_spans(offsets, list(special), segments, sources),
        segments=tuple(segments),
    )


def units_from_ids(
    tokenizer: PreTrainedTokenizerBase | None, ids: Sequence[int], text: str | None = None
) -> Units:
    """Name units of which only the numbers are known; without a tokenizer by number.

    Args:
        tokenizer: what they are read with.
        ids: the numbers.
        text: what they were made of, if that is known: units have their places in it where they
            spell it letter by letter.
    """
    numbers = [int(number) for number in ids]
    count = len(numbers)
    if tokenizer is None:
        units = numbered_units("token", count)
        texts = tuple(map(str, numbers))
        return replace(units, labels=texts, texts=texts, ids=tuple(numbers))
    spelling = spell(tokenizer, numbers)
    segments = (0,) * count
    # What an unknown one stood for, only its text would tell.
    unknown = (False,) * count
    labels = labels_of(spelling, spelling.offsets, segments, (spelling.source,), unknown)
    placed = text is not None and spelling.source == text
    in_bytes = all(s or r is not None for s, r in zip(spelling.special, spelling.raw, strict=True))
    special = list(spelling.special)
    return Units(
        kind="token",
        labels=labels,
        texts=spelling.texts,
        ids=tuple(numbers),
        special=spelling.special,
        spans=tuple(
            offset if placed and not s else None
            for offset, s in zip(spelling.offsets, special, strict=True)
        ),
        words=words_from_spans(
            list(spelling.offsets), special, list(segments), (spelling.source, "")
        )
        if in_bytes
        else words_from_texts(tokenizer, numbers, list(spelling.texts), special),
        segments=segments,
    )


def label_alone(
    tokenizer: PreTrainedTokenizerBase | None,
    number: int,
    before: Sequence[int] = (),
    after: Sequence[int] = (),
) -> str:
    """Label one token as it would stand between others: a byte is read with its character's others.

    Args:
        tokenizer: what it is read with.
        number: the token.
        before: the ids before it; few suffice.
        after: the ids after it.
    """
    near = [*before[-NEIGHBOURS:], number, *after[:NEIGHBOURS]]
    return units_from_ids(tokenizer, near).labels[len(before[-NEIGHBOURS:])]


def units_from_labels(labels: Sequence[str], kind: str = "token") -> Units:
    """Name units as somebody else named them."""
    units = numbered_units(kind, len(labels))
    texts = tuple(str(label) for label in labels)
    return replace(units, labels=tuple(map(visible, texts)), texts=texts)


@lru_cache(maxsize=64)
def patch_units(rows: int, columns: int, before: int = 0) -> Units:
    """Name the patches of a picture by row and column, after the tokens that stand before them."""
    first = tuple("[CLS]" if number == 0 else f"[REG{number}]" for number in range(before))
    special = (True,) * before + (False,) * (rows * columns)
    return _numbered("patch", first + _cells(rows, columns), special)


@lru_cache(maxsize=64)
def _cells(rows: int, columns: int) -> tuple[str, ...]:
    return tuple(f"{row},{column}" for row in range(rows) for column in range(columns))


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


def joined(first: Units, second: Units) -> Units:
    """Put two sides along one axis; segments tell them apart."""
    words = max((word for word in first.words if word is not None), default=-1) + 1
    return Units(
        kind=first.kind,
        labels=first.labels + second.labels,
        texts=first.texts + second.texts,
        ids=first.ids + second.ids,
        special=first.special + second.special,
        spans=first.spans + second.spans,
        words=first.words + tuple(None if word is None else word + words for word in second.words),
        segments=(0,) * len(first) + (1,) * len(second),
    )


def prompted(units: Units, count: int) -> Units:
    """Put learnt tokens of a model's own before a text's."""
    own = numbered_units(units.kind, count)
    labels = tuple(f"prompt {number + 1}" for number in range(count))
    nothing = replace(
        own, labels=labels, special=(True,) * count, ids=(-1,) * count, words=(None,) * count
    )
    return replace(joined(nothing, units), segments=(0,) * count + units.segments)


@lru_cache(maxsize=64)
def numbered_units(kind: str, count: int) -> Units:
    """Name units by their number, such as patches and frames."""
    return _numbered(kind, tuple(f"{kind} {number}" for number in range(count)), (False,) * count)


def _numbered(kind: str, labels: tuple[str, ...], special: tuple[bool, ...]) -> Units:
    """Make units of no text, each a word of its own."""
    count = len(labels)
    return Units(
        kind=kind,
        labels=labels,
        texts=("",) * count,
        ids=tuple(range(count)),
        special=special,
        spans=(None,) * count,
        words=tuple(range(count)),
        segments=(0,) * count,
    )


def counted(count: int, kind: str) -> str:
    """Say how many of what: 1 layer, 24 patches."""
    ending = "" if count == 1 else "es" if kind.endswith("ch") else "s"
    return f"{count} {kind}{ending}"
