"""Tokens and classes by their names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from transformers import PreTrainedTokenizerBase

from viz.errors import InputError
from viz.inputs.units import label_alone

# So many names are listed of what there is.
LISTED = 10


def class_id(name: str | int, classes: Sequence[str]) -> int:
    """Return the number of a class.

    Raises:
        InputError: there is none of that name or number, and which there are.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        if 0 <= name < len(classes):
            return name
        raise InputError(
            f"There is no class {name}; the model tells {len(classes):,} apart.",
            f"Choose 0 to {len(classes) - 1:,}.",
        )
    if name in classes:
        return classes.index(str(name))
    near = get_close_matches(str(name), classes, n=LISTED) or list(classes[:LISTED])
    raise InputError(f"There is no class {name!r}.", f"Choose one such as {', '.join(near)}.")


def token_id(token: str | int, tokenizer: PreTrainedTokenizerBase | None, vocabulary: int) -> int:
    """Return a token's id.

    Raises:
        InputError: it is none of the vocabulary, and how it is cut instead.
    """
    if isinstance(token, int) and not isinstance(token, bool):
        if 0 <= token < vocabulary:
            return token
        raise InputError(
            f"There is no token {token}; the vocabulary has {vocabulary:,}.",
            f"Choose 0 to {vocabulary - 1:,}.",
        )
    if tokenizer is None:
        raise InputError(
            f"{token!r} cannot be looked up, because the model came without a tokenizer.",
            "Give the token's id.",
        )
    ids = tokenizer.encode(str(token), add_special_tokens=False)
    known = len(ids) == 1 and (ids[0] != tokenizer.unk_token_id or token == tokenizer.unk_token)
    if known and ids[0] < vocabulary:
        return int(ids[0])
    if not ids or ids == [tokenizer.unk_token_id]:
        raise InputError(
            f"{token!r} is no token of the vocabulary.", "Choose another, or give a token's id."
        )
    parts = [label_alone(tokenizer, one, ids[:at], ids[at + 1 :]) for at, one in enumerate(ids)]
    raise InputError(
        f"{token!r} is no single token: it is cut into {', '.join(parts)}.",
        "Choose one of these, or check whether it wants a space in front.",
    )
