"""How much of a text a model reads as nothing: unknown tokens, and characters that its tokenizer drops."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from viz.inputs.units import Units

# From this share on, most of what a pattern shows is how the model treats what it cannot tell apart.
MUCH = 0.1


@dataclass(frozen=True, slots=True)
class Unread:
    """What of a text a model cannot tell apart, or never sees.

    Attributes:
        unknown: tokens that stand for anything that the vocabulary does not have.
        tokens: of the text, without those that the tokenizer added.
        mark: what unknown ones look like.
        dropped: characters, but for spaces, that no token stands for.
        characters: of the text, but for spaces.
    """

    unknown: int
    tokens: int
    mark: str
    dropped: int
    characters: int

    @property
    def share(self) -> float:
        """The share of the tokens that are unknown, or of the characters that are dropped, if that is more."""
        return max(self.unknown / max(1, self.tokens), self.dropped / max(1, self.characters))

    def said(self, name: str) -> str:
        """Say it of a model, in a sentence."""
        if self.unknown / max(1, self.tokens) >= self.dropped / max(1, self.characters):
            return (
                f"{self.unknown:,} of {self.tokens:,} tokens are {self.mark}: {name} has none for what stands "
                "there, and takes all of them for the same."
            )
        return (
            f"{self.dropped:,} of {self.characters:,} characters are left out: {name} has no token for them, "
            "and never sees them."
        )


def unread(tokenizer: Any, units: Units, texts: tuple[str, ...] = ()) -> Unread:
    """Count what a model does not know of a text.

    A tokenizer that spells what it does not know in bytes knows everything; where its unknown token means
    something else besides, as the end of a text, no text becomes it.

    Args:
        tokenizer: of the model.
        units: that it made of the text.
        texts: the text, and the second one of a pair; without them no characters are counted.
    """
    number = getattr(tokenizer, "unk_token_id", None)
    others = (getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos", "pad"))
    mark = str(getattr(tokenizer, "unk_token", ""))
    own = [index for index, special in enumerate(units.special) if not special]
    unknown = 0
    if number is not None and number not in others:
        unknown = sum(
            units.ids[index] == number and not _is_written(units, index, texts, mark)
            for index in own
        )
    dropped, characters = _dropped(units, texts)
    return Unread(unknown, len(own), mark, dropped, characters)


def _is_written(units: Units, index: int, texts: tuple[str, ...], mark: str) -> bool:
    """Whether somebody wrote the unknown token itself."""
    span, segment = units.spans[index], units.segments[index]
    return span is not None and segment < len(texts) and texts[segment][span[0] : span[1]] == mark


def _dropped(units: Units, texts: tuple[str, ...]) -> tuple[int, int]:
    """Count the characters that no token spans, and all, spaces left out; none where spans are not known."""
    if not texts or any(
        span is None
        for span, special in zip(units.spans, units.special, strict=True)
        if not special
    ):
        return 0, 0
    dropped = characters = 0
    for segment, text in enumerate(texts):
        seen = bytearray(len(text))
        for span, of in zip(units.spans, units.segments, strict=True):
            if span is not None and of == segment:
                seen[span[0] : span[1]] = b"\1" * (min(span[1], len(text)) - span[0])
        for character, is_seen in zip(text, seen, strict=True):
            # What nobody sees, and marks on letters, are left out on purpose by many.
            if unicodedata.category(character)[0] not in "CMZ":
                characters += 1
                dropped += not is_seen
    return dropped, characters
