"""A text of the user's own, made sure of before anything learns from it."""

from __future__ import annotations

import unicodedata

from viz.errors import TextError
from viz.inputs.text_file import MARKS, MOST_CONTROL

# Less cannot be learned from: a model would know it by heart before it knew anything else.
LEAST_CHARACTERS = 2_000

# More is not read in a minute, and takes long to be cut into tokens.
MOST_CHARACTERS = 1_000_000

# A file in bytes, of whatever script; as much is decoded in a moment.
MOST_BYTES = 20_000_000


def read_text(content: bytes, name: str = "The file") -> str:
    """Read a file that somebody gave as a text: UTF-8, or UTF-16 with its mark.

    Args:
        content: of the file.
        name: of the file, as its user knows it.

    Raises:
        TextError: it is no text, of another encoding, or too long.
    """
    require_small(len(content), name)
    encoding = next((one for mark, one in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text(name) from error
    control = sum(unicodedata.category(one) == "Cc" and not one.isspace() for one in text)
    if control > MOST_CONTROL * len(text):
        raise _no_text(name)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_small(size: int, name: str) -> None:
    """Make sure that a file is not too large to be read as a text.

    Args:
        size: in bytes.
        name: of the file, as its user knows it.

    Raises:
        TextError: it is too large.
    """
    if size > MOST_BYTES:
        raise TextError(
            f"The file {name[:60]} has {size / 1e6:,.1f} MB.",
            f"Give a text of at most {MOST_BYTES / 1e6:,.0f} MB.",
        )


def require_learnable(text: str) -> None:
    """Make sure that a text is long enough to learn from.

    Raises:
        TextError: it is not.
    """
    count = len(text.strip())
    if count < LEAST_CHARACTERS:
        characters = "1 character" if count == 1 else f"{count:,} characters"
        raise TextError(
            f"The text has {characters}; a language model needs at least {LEAST_CHARACTERS:,}.",
            "Give a longer one, such as a chapter of a book.",
        )


def _no_text(name: str) -> TextError:
    return TextError(
        f"{name[:60]} is no text that can be read.",
        "Give plain text in UTF-8; of a document, save it as plain text first.",
    )
