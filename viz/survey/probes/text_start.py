"""The beginning of a text, as long as it is to be."""

from __future__ import annotations

from viz.inputs.text import count_tokens
from viz.models import Model

# No token of a text has more characters, on average.
CHARACTERS_PER_TOKEN = 32


def text_start(model: Model, text: str, tokens: int) -> str:
    """Cut a text to so many tokens at most, special ones included; nothing where there is no room for any."""
    kept = text[: max(0, tokens) * CHARACTERS_PER_TOKEN]
    while kept.strip() and (count := count_tokens(model, kept)) > tokens:
        # By the share that is too much, and once more where tokens at the end are longer.
        kept = kept[: min(len(kept) - 1, len(kept) * max(0, tokens) // count)]
    return kept.strip()
