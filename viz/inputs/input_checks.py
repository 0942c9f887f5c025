"""What is refused before any work: texts, senses, lengths and ids that nothing can read."""

from __future__ import annotations

from collections.abc import Sequence

from viz.errors import ModelRefusedError, ShapeError, TextError, TextTooLongError
from viz.models.argument_checks import kind_of_value
from viz.models.context_length import table_of_ids
from viz.models.model import Model, Sense, one_of, several

# Longer texts are no prompts; the tokenizer alone would take seconds.
MAX_CHARACTERS = 1_000_000

# Stands for half a character where text travels as UTF-8, which has no room for one; as a
# noncharacter of Unicode it is in no text of its own right.
STAND_IN = "\ufdd0"


def check_text(text: str, *, what: str = "text") -> str:
    """Return the text if a tokenizer can read it.

    Raises:
        TextError: it is empty, blank, too large, or holds null bytes or half characters.
    """
    if not isinstance(text, str):
        raise TextError(f"The {what} is {kind_of_value(text)}.", "Give a string.")
    if len(text) > MAX_CHARACTERS:
        raise TextError(
            f"The {what} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.",
            "Paste the part that you want to look at.",
        )
    if not text.strip():
        blank = "is empty" if not text else "holds only spaces"
        raise TextError(f"The {what} {blank}.", "Type or paste at least one word.")
    if "\x00" in text:
        raise TextError(
            f"The {what} holds a null byte at character {text.index(chr(0)) + 1:,}.",
            "Remove it; it looks like part of a binary file.",
        )
    surrogate = next((i for i, c in enumerate(text) if _is_half(c)), None)
    if surrogate is not None:
        raise TextError(
            f"The {what} holds half a character (a lone surrogate) at character {surrogate + 1:,}.",
            "Copy it again from where it came, as UTF-8.",
        )
    return text


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff" or character == STAND_IN


def require_sense(model: Model, sense: Sense) -> None:
    """Make sure that a model reads what it is given, as far as its forward tells.

    Raises:
        ModelRefusedError: it reads something else.
    """
    if model.reads and sense not in model.reads:
        written = "; a text is what it writes" if sense == "text" and model.tokenizer else ""
        raise ModelRefusedError(
            f"{model.name} reads {several(model.reads)}, not {sense}s.",
            f"Give it {one_of(model.reads)}{written}.",
        )


def require_context(model: Model, tokens: int, *, written: bool = False) -> None:
    """Make sure that a model reads so many tokens, or that its decoder does what is written.

    Raises:
        TextTooLongError: it reads fewer.
    """
    limit = model.context_limit
    if written and model.written_limit is not None:
        limit = model.written_limit
    if limit is not None and tokens > limit:
        raise TextTooLongError(
            f"The text has {tokens:,} tokens; {model.name} reads {limit:,}, "
            f"so it is {tokens - limit:,} over.",
            "Shorten it, or choose a model with a longer context.",
            tokens=tokens,
            limit=limit,
        )


def require_known(model: Model, ids: Sequence[int]) -> None:
    """Make sure that every id has an embedding; a GPU would end the whole process over one."""
    known = getattr(table_of_ids(model.module), "num_embeddings", None)
    wrong = [number for number in ids if known is not None and not 0 <= number < known]
    if known is not None and wrong:
        raise ShapeError(
            f"The id {wrong[0]} has no embedding; {model.name} knows 0 to {known - 1}.",
            "Use the tokenizer that belongs to the model.",
        )
