"""Files of text read block by block, so that one of any size takes the memory of a block."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from viz.errors import StorageError, TextError
from viz.inputs.text_file import MARKS, MOST_CONTROL

# What is read at a time.
BLOCK_BYTES = 1 << 18

# No text, and no row of a table, is longer; the longest novels have some six million.
LONGEST_TEXT = 8_000_000

# A long text comes in parts of so many characters.
PART_CHARACTERS = 1_000_000

# Where a part may end, the best first: paragraphs, lines, sentences, words.
BORDERS = ("\n\n", "\n", ". ", "。", " ")

# What is in no text, but for its spaces.
CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1b\x7f]")


def blocks(path: Path, name: str) -> Iterator[str]:
    """Decode a file: UTF-8, or UTF-16 with its mark. Line ends become those of Unix.

    Args:
        path: of the file.
        name: of the file, as its user knows it.

    Raises:
        StorageError: it cannot be read.
        TextError: it is no text, or of another encoding.
    """
    read = 0
    try:
        with path.open("rb") as file:
            block = file.read(BLOCK_BYTES)
            encoding = next((one for mark, one in MARKS.items() if block.startswith(mark)), "utf-8")
            if encoding != "utf-16":
                # Of a picture it is said that it is no text; of latin-1, that it is no UTF-8.
                _require_text(CONTROL_BYTES.findall(block), len(block), name)
            decoder = io.IncrementalNewlineDecoder(
                codecs.getincrementaldecoder(encoding)(), translate=True
            )
            while block:
                read += len(block)
                text = decoder.decode(block)
                _require_text(CONTROL.findall(text), len(text), name)
                yield text
                block = file.read(BLOCK_BYTES)
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # What the decoder had before it ends where the block ends.
        place = read - len(error.object) + error.start
        raise TextError(
            f"{name} is no {error.encoding.upper()} from byte {place:,} on.",
            "Save it as UTF-8, such as with: iconv -f WINDOWS-1252 -t UTF-8.",
        ) from error
    except OSError as error:
        raise unreadable(name, error) from error


def lines(path: Path, name: str) -> Iterator[str]:
    """Read a file line by line, without their ends.

    Raises:
        StorageError: it cannot be read.
        TextError: it is no text, or a line is longer than `LONGEST_TEXT`.
    """
    rest, number = "", 1
    for block in blocks(path, name):
        whole = (rest + block).split("\n")
        rest = whole.pop()
        for line in whole:
            require_length(line, f"{name}:{number}")
            yield line
            number += 1
        require_length(rest, f"{name}:{number}")
    if rest:
        yield rest


def parts(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Read a long text in parts, cut at a border of paragraphs where there is one, else of less.

    All parts together are the text.

    Returns:
        For each the line that it begins in, from 1, and what it holds.

    Raises:
        StorageError: it cannot be read.
        TextError: it is no text.
    """
    rest, line = "", 1
    for block in blocks(path, name):
        rest += block
        while len(rest) > PART_CHARACTERS:
            stop = _border(rest, PART_CHARACTERS)
            yield line, rest[:stop]
            line += rest.count("\n", 0, stop)
            rest = rest[stop:]
    if rest:
        yield line, rest


def require_length(text: str, place: str) -> str:
    """Return a text that is short enough to be held.

    Raises:
        TextError: it is not.
    """
    if len(text) > LONGEST_TEXT:
        raise TextError(
            f"{place} goes on for more than {LONGEST_TEXT:,} characters.",
            "Cut it into several rows, or save a long text as .txt, of which any length is read.",
        )
    return text


def unreadable(name: str, error: OSError) -> StorageError:
    """Say why the system gives no file."""
    if isinstance(error, PermissionError):
        return StorageError(f"{name} may not be read here.", "Change its permissions.")
    reason = (error.strerror or type(error).__name__).lower()
    return StorageError(f"{name} could not be read: {reason}.", "Check that it is still there.")


def _border(text: str, most: int) -> int:
    """Return where to cut a text within so many characters; not before half of them."""
    for border in BORDERS:
        place = text.rfind(border, most // 2, most)
        if place >= 0:
            return place + len(border)
    return most


def _require_text(found: list[Any], size: int, name: str) -> None:
    """Make sure that few enough control characters were found in so many."""
    if len(found) > MOST_CONTROL * size:
        raise TextError(
            f"{name} is no text that can be read: it holds control characters.",
            "Give plain text in UTF-8; of a document, save it as plain text first.",
        )
