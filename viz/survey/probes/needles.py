"""Sentences with words of chance in them, hidden in texts and asked for behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from viz.inputs.text import count_tokens
from viz.models import Model
from viz.survey.probes.text_start import text_start

# Common words that none of the others has to do with.
WORDS = (
    *("amber", "anchor", "basket", "bridge", "butter", "candle", "canyon", "carpet", "castle", "cherry"),
    *("copper", "cotton", "desert", "dragon", "engine", "feather", "forest", "garden", "guitar", "hammer"),
    *("harbor", "helmet", "island", "jacket", "kitten", "ladder", "lemon", "marble", "meadow", "mirror"),
    *("needle", "ocean", "orange", "palace", "pencil", "pepper", "pillow", "planet", "pocket", "rabbit"),
    *("ribbon", "river", "saddle", "salmon", "shadow", "silver", "spider", "spring", "sugar", "summer"),
    *("temple", "thunder", "ticket", "tiger", "timber", "tunnel", "turtle", "valley", "velvet", "violin"),
    *("wallet", "whistle", "window", "winter"),
)  # fmt: skip

# Words that one needle holds.
WORDS_EACH = 6

HIDDEN = " The secret words of the day are {words}. "
# What stands before the words is another than in the needle, so that going on as before does not begin the answer.
ASKED = "\n\nQuestion: Which are the secret words of the day?\nAnswer: {words}."

# Tokens by which a text may get longer where it is cut and joined.
SLACK = 8

# What a sentence ends with, the space behind it included.
ENDS = (". ", "! ", "? ", "\n")


@dataclass(frozen=True, slots=True)
class Needle:
    """A text with a needle in it, and its answer at the end.

    Attributes:
        text: all of it.
        hidden: first and last character + 1 of the words in the needle.
        answered: of the same words in the answer.
    """

    text: str
    hidden: tuple[int, int]
    answered: tuple[int, int]


def with_needle(
    model: Model, haystack: str, *, depth: float, most_tokens: int, draw: np.random.Generator
) -> Needle:
    """Hide words in a text, and ask for them behind it.

    Args:
        model: whose tokens are counted.
        haystack: the text; what is too long of it is left out at its end.
        depth: where they are hidden, from 0, its beginning, to 1.
        most_tokens: of the whole.
        draw: where chance comes from.
    """
    absent = [word for word in WORDS if word not in haystack.lower()] or list(WORDS)
    chosen = draw.choice(absent, size=min(WORDS_EACH, len(absent)), replace=False)
    words = " ".join(chosen.tolist())
    hidden, asked = HIDDEN.format(words=words), ASKED.format(words=words)
    kept = text_start(model, haystack, most_tokens - count_tokens(model, hidden + asked) - SLACK)
    at = _sentence_end(kept, int(depth * len(kept)))
    before = kept[:at].rstrip()
    text = before + hidden + kept[at:].strip() + asked
    start = len(before) + hidden.index(words)
    end = len(text) - len(".")
    return Needle(text, (start, start + len(words)), (end - len(words), end))


def _sentence_end(text: str, place: int) -> int:
    """Find where the last sentence before a place ends; the last word, where there is no sentence."""
    ends = [text.rfind(end, 0, place) + len(end) for end in ENDS if end in text[:place]]
    return max(ends, default=text.rfind(" ", 0, place) + 1)
