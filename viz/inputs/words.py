"""Which units make one word, in scripts with spaces and in those without."""

from __future__ import annotations

import unicodedata

from transformers import PreTrainedTokenizerBase

ZERO_WIDTH_JOINER = "\u200d"


def words_from_spans(
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


def words_from_texts(
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
