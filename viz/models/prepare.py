"""From a text to what the model reads, with every limit checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.errors import ModelRefusedError, ShapeError, TextError, TextTooLongError
from viz.models.model import Model
from viz.models.tokens import Units, units_from_encoding, units_from_ids

# Longer texts are no prompts; the tokenizer alone would take seconds.
MAX_CHARACTERS = 1_000_000

# Stands for half a character where text travels as UTF-8, which has no room for one; as a
# noncharacter of Unicode it is in no text of its own right.
STAND_IN = "\ufdd0"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Model inputs [1, token] on the model's device, and what their units are called."""

    inputs: dict[str, Tensor]
    units: Units
    text: str | None
    pair: str | None


def check_text(text: str, *, what: str = "text") -> str:
    """Return the text if a tokenizer can read it.

    Raises:
        TextError: it is empty, blank, too large, or holds null bytes or half characters.
    """
    if not isinstance(text, str):
        raise TextError(f"The {what} is a {type(text).__name__}.", "Give a string.")
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


def prepare(
    model: Model, text_or_inputs: str | Mapping[str, Any], *, pair: str | None = None
) -> Prepared:
    """Tokenise a text, or take a model's own inputs of one text.

    Raises:
        TextError: the text cannot be read.
        TextTooLongError: it has more tokens than the model reads.
        ShapeError: the inputs are not of one text.
        ModelRefusedError: a text was given and the model has no tokenizer, or reads no pairs.
    """
    if isinstance(text_or_inputs, str):
        return _from_text(model, check_text(text_or_inputs), pair)
    return _from_inputs(model, text_or_inputs)


def count_tokens(model: Model, text: str, pair: str | None = None) -> int:
    """Count the tokens of a text, special tokens included."""
    return len(_encode(model, text, pair)["input_ids"])


def require_context(model: Model, tokens: int) -> None:
    """Make sure that a model reads so many tokens.

    Raises:
        TextTooLongError: it reads fewer.
    """
    limit = model.context_limit
    if limit is not None and tokens > limit:
        raise TextTooLongError(
            f"The text has {tokens:,} tokens; {model.name} reads {limit:,}, "
            f"so it is {tokens - limit:,} over.",
            "Shorten it, or choose a model with a longer context.",
            tokens=tokens,
            limit=limit,
        )


def cut_text(model: Model, text: str, pair: str | None = None) -> str:
    """Return the longest beginning of a text that the model reads, beside its pair if it has one."""
    limit = model.context_limit
    units = units_from_encoding(_tokenizer(model), _encode(model, text, None), text, None)
    if limit is None or count_tokens(model, text, pair) <= limit:
        return text
    if pair is not None and count_tokens(model, pair) >= limit:
        return text  # no beginning is short enough
    room = limit - sum(units.special)
    stops = [span[1] for span in units.spans if span is not None]
    for kept in range(max(0, min(room, len(stops))), 0, -1):
        candidate = text[: stops[kept - 1]]
        if count_tokens(model, candidate, pair) <= limit:
            return candidate
    return text[:limit]


def _from_text(model: Model, text: str, pair: str | None) -> Prepared:
    tokenizer = _tokenizer(model)
    if pair is not None:
        check_text(pair, what="second text")
        if not model.takes_pairs:
            raise ModelRefusedError(
                f"{model.name} reads one text, not a pair.", "Leave the second text empty."
            )
    encoding = _encode(model, text, pair)
    count = len(encoding["input_ids"])
    if count == 0:
        raise TextError(
            f"The tokenizer of {model.name} finds nothing to read in this text.",
            "Type at least one word.",
        )
    require_context(model, count)
    _check_ids(model, encoding["input_ids"])
    accepted = set(tokenizer.model_input_names) | {"input_ids", "attention_mask"}
    inputs = {
        name: torch.tensor([list(values)], device=model.device)
        for name, values in encoding.items()
        if name in accepted
    }
    return Prepared(inputs, units_from_encoding(tokenizer, encoding, text, pair), text, pair)


def _from_inputs(model: Model, given: Mapping[str, Any]) -> Prepared:
    if "input_ids" not in given:
        raise ShapeError(
            f"The inputs {sorted(given)} have no input_ids.", "Give at least input_ids."
        )
    inputs = {name: value.to(model.device) for name, value in as_tensors(given).items()}
    ids = inputs["input_ids"]
    if ids.ndim != 2 or ids.shape[0] != 1 or ids.shape[1] == 0:
        raise ShapeError(
            f"input_ids have shape {tuple(ids.shape)}.", "One text has shape [1, tokens]."
        )
    require_context(model, int(ids.shape[1]))
    _check_ids(model, ids[0].tolist())
    return Prepared(inputs, units_from_ids(model.tokenizer, ids[0].tolist()), None, None)


def _check_ids(model: Model, ids: Sequence[int]) -> None:
    """Make sure that every id has an embedding; a GPU would end the whole process over one."""
    table: Any = model.module
    known = getattr(table.get_input_embeddings(), "num_embeddings", None)
    wrong = [number for number in ids if known is not None and not 0 <= number < known]
    if known is not None and wrong:
        raise ShapeError(
            f"The id {wrong[0]} has no embedding; {model.name} knows 0 to {known - 1}.",
            "Use the tokenizer that belongs to the model.",
        )


def as_tensors(given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Turn a model's own inputs into tensors.

    Raises:
        ShapeError: one is ragged, empty, or no array of numbers.
    """
    tensors = {}
    for name, value in given.items():
        try:
            tensors[name] = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ShapeError(
                f"The input {name} is no array of numbers: {error}.",
                "Give a tensor, or lists of equal lengths.",
            ) from error
    return tensors


def _tokenizer(model: Model) -> Any:
    if model.tokenizer is None:
        raise ModelRefusedError(
            f"{model.name} has no tokenizer, so it cannot read a text.",
            "Give its own inputs: viz.capture(model, {'input_ids': ...}).",
        )
    return model.tokenizer


def _encode(model: Model, text: str, pair: str | None) -> Any:
    tokenizer = _tokenizer(model)
    return tokenizer(
        text,
        pair,
        return_special_tokens_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
        verbose=False,
    )
