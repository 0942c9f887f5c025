"""What each token stands for: special ones by their ids, text, or bytes of a character."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

SPACE, NEWLINE, TAB = "·", "⏎", "⇥"

# Tokens are rarely longer, and come again and again.
TOKEN_CHARACTERS = 32

_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
_PLAIN_BYTES = {chr(byte): byte for byte in range(256)}
_HEX_BYTES = {f"{byte:02x}": byte for byte in range(256)}
_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE = "\u2581"

# Stands for bytes that are no character; no text holds it in its own right.
BROKEN = "\ufffd"

# Ids that stand for a word that the tokenizer does not know are its text, and no special token.
ROLES = ("bos_token_id", "eos_token_id", "sep_token_id", "pad_token_id", "cls_token_id")


@dataclass(frozen=True, slots=True)
class Spelling:
    """Tokens in a row, and what they stand for.

    Attributes:
        names: as the tokenizer's vocabulary has them.
        special: whether each stands for no text.
        texts: of tokens that are whole characters; empty for special ones and for pieces.
        raw: their bytes, where the tokenizer cuts text into bytes.
        source: the text that they spell together.
        offsets: first and last character + 1 in it of those that each touches.
    """

    names: tuple[str, ...]
    special: tuple[bool, ...]
    texts: tuple[str, ...]
    raw: tuple[bytes | None, ...]
    source: str
    offsets: tuple[tuple[int, int], ...]


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids that stand for no text: those with a role, and those that were added as special."""
    added: dict[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    known = {*tokenizer.all_special_ids, *(n for n, one in added.items() if one.special)}
    roles = {getattr(tokenizer, role, None) for role in ROLES}
    unknown = getattr(tokenizer, "unk_token_id", None)
    return {int(number) for number in known if number != unknown or number in roles}


def spell(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> Spelling:
    """Say what each of some tokens stands for, one after the other."""
    known = special_ids(tokenizer)
    special = tuple(number in known for number in ids)
    # Tables of embeddings are often longer than their vocabulary.
    given = [name or None for name in tokenizer.convert_ids_to_tokens(list(ids))]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = repr(backend.decoder) if backend is not None else ""
    bytes_of = _bytes_of(tokenizer, decoder)
    added: dict[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    names, raw, texts = [], [], []
    for number, name, is_special in zip(ids, given, special, strict=True):
        own: bytes | None = None
        if name is None or is_special:
            text = ""
        else:
            # Added tokens are written as they are.
            spelt = bool(bytes_of) and number in added
            own = name.encode() if spelt else _raw(name, bytes_of)
            text = _written(name, decoder) if own is None else _whole(own)
        names.append(f"id {number}" if name is None else _role(tokenizer, number, name))
        raw.append(own)
        texts.append(text)
    source, offsets = _joined(texts, raw)
    return Spelling(tuple(names), special, tuple(texts), tuple(raw), source, offsets)


def labels_of(
    spelling: Spelling,
    offsets: Sequence[tuple[int, int]],
    segments: Sequence[int],
    sources: Sequence[str],
    unknown: Sequence[bool],
) -> tuple[str, ...]:
    """Label whole characters by themselves, and pieces of a character as `character 1/3`.

    Args:
        spelling: the tokens.
        offsets: of the characters that each touches in its text.
        segments: which text that is.
        sources: the texts.
        unknown: whether each stands for something that the tokenizer does not know.
    """
    labels = []
    for index, text in enumerate(spelling.texts):
        start, stop = offsets[index]
        whole = visible(sources[segments[index]][start:stop])
        if spelling.special[index]:
            labels.append(spelling.names[index])
        elif unknown[index]:
            labels.append(f"{spelling.names[index]} {whole}".strip())
        elif text:
            labels.append(visible(text))
        elif not whole and spelling.raw[index] is None:
            labels.append(spelling.names[index])
        elif BROKEN in whole:
            labels.append(_broken(spelling.raw, index))
        else:
            part, parts = _part_of_character(spelling, offsets, segments, index)
            named = whole or spelling.names[index]
            labels.append(f"{whole} {part}/{parts}" if parts > 1 else named)
    return tuple(labels)


def visible(text: str) -> str:
    """Make spaces, tabs, line breaks and other characters without a picture visible."""
    return _visible_token(text) if len(text) <= TOKEN_CHARACTERS else _visible(text)


@lru_cache(1 << 15)
def _visible_token(text: str) -> str:
    return _visible(text)


def _visible(text: str) -> str:
    shown = text.replace(" ", SPACE).replace("\n", NEWLINE).replace("\t", TAB).replace("\r", "␍")
    return "".join(_control_picture(character) for character in shown)


def _control_picture(character: str) -> str:
    if ord(character) < 32:
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else character


def _role(tokenizer: PreTrainedTokenizerBase, number: int, name: str) -> str:
    """Name a special token by its role where its own name has no picture (Canine's)."""
    if not name or _has_picture(name):
        return name
    for role in ("cls", "sep", "pad", "mask", "bos", "eos"):
        if getattr(tokenizer, f"{role}_token_id", None) == number:
            return f"[{role.upper()}]"
    return f"<U+{ord(name[0]):04X}>"


@lru_cache(1 << 15)
def _has_picture(name: str) -> bool:
    return any(unicodedata.category(character) != "Co" for character in name)


def _bytes_of(tokenizer: PreTrainedTokenizerBase, decoder: str) -> dict[str, int]:
    """Find how a tokenizer names bytes, if its tokens are made of them: by having it read two."""
    if decoder:
        return _BYTE_OF if "ByteLevel" in decoder else {}
    for names, letter in ((_BYTE_OF, ["Ġ", "Ã", "¼"]), (_PLAIN_BYTES, [" ", "Ã", "¼"])):
        if _reads(tokenizer, letter) == " ü":
            return names
    return _HEX_BYTES if _reads(tokenizer, ["20", "c3", "bc"]) == " ü" else {}


def _reads(tokenizer: PreTrainedTokenizerBase, names: list[str]) -> str | None:
    try:
        return str(tokenizer.convert_tokens_to_string(names))
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError):
        return None


def _raw(name: str, bytes_of: dict[str, int]) -> bytes | None:
    """The bytes that a token is made of; None where it is made of text."""
    if fallback := _BYTE_FALLBACK.fullmatch(name):
        return bytes([int(fallback[1], 16)])
    if name in bytes_of:
        return bytes([bytes_of[name]])
    if bytes_of and name and all(character in bytes_of for character in name):
        return bytes(bytes_of[character] for character in name)
    return None


def _written(name: str, decoder: str) -> str:
    piece = name.removeprefix("##") if "WordPiece" in decoder else name
    return piece.replace(_METASPACE, " ").removesuffix("</w>")


def _whole(raw: bytes) -> str:
    """Decode whole characters; a piece of one has no text of its own."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _joined(
    texts: Sequence[str], raw: Sequence[bytes | None]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Spell tokens together, and say which characters each touches."""
    source = ""
    offsets: list[tuple[int, int]] = []
    index = 0
    while index < len(texts):
        run = index
        while run < len(raw) and raw[run] is not None:
            run += 1
        if run == index:
            offsets.append((len(source), len(source) + len(texts[index])))
            source += texts[index]
            index += 1
            continue
        pieces = [piece or b"" for piece in raw[index:run]]
        characters = _characters(b"".join(pieces))
        # The number of the character that each byte belongs to.
        owners = [number for number, (_, size) in enumerate(characters) for _ in range(size)]
        at = 0
        for piece in pieces:
            touched = owners[at : at + len(piece)] or [len(characters)]
            offsets.append((len(source) + touched[0], len(source) + touched[-1] + 1))
            at += len(piece)
        source += "".join(character for character, _ in characters)
        index = run
    return source, tuple(offsets)


def _characters(raw: bytes) -> list[tuple[str, int]]:
    """Cut bytes into characters, each with how many bytes it takes; what is none is `BROKEN`."""
    found: list[tuple[str, int]] = []
    decoder = codecs.getincrementaldecoder("utf-8")()
    held = 0
    at = 0
    while at < len(raw):
        try:
            character = decoder.decode(raw[at : at + 1])
        except UnicodeDecodeError:
            decoder.reset()
            # What was begun is broken; the byte that broke it may begin another.
            found += [(BROKEN, held)] if held else [(BROKEN, 1)]
            at += 0 if held else 1
            held = 0
            continue
        at += 1
        held += 1
        if character:
            found.append((character, held))
            held = 0
    return [*found, (BROKEN, held)] if held else found


def _broken(raw: Sequence[bytes | None], index: int) -> str:
    """Name bytes that make no character: `<0xC3> 1/2`, where the first tells how many there are."""
    own = raw[index] or b""
    name = f"<0x{own.hex().upper()}>"
    first = index
    while len(own) == 1 and 0x80 <= (raw[first] or b"\0")[0] < 0xC0 and index - first < 3:
        if first == 0 or len(raw[first - 1] or b"") != 1:
            break
        first -= 1
    lead = (raw[first] or b"\0")[0]
    size = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if lead >= 0xF0 else 0
    place = index - first + 1
    return f"{name} {place}/{size}" if len(own) == 1 and place <= size else name


def _part_of_character(
    spelling: Spelling,
    offsets: Sequence[tuple[int, int]],
    segments: Sequence[int],
    index: int,
) -> tuple[int, int]:
    """Count which piece of its character a token is, from 1, and how many pieces there are."""

    def same(other: int) -> bool:
        return (
            0 <= other < len(spelling.texts)
            and not spelling.special[other]
            and not spelling.texts[other]
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
