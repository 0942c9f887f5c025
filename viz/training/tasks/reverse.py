"""Write a word backwards: the simplest thing that cross-attention does."""

from __future__ import annotations

import string

import numpy as np

from viz.analysis.head_patterns import reverse_targets
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import symbol_tokenizer
from viz.training.task import Loaded, Task, without_text
from viz.training.tasks import writing
from viz.training.training_settings import Settings

SHORTEST, LONGEST = 5, 12
TRAIN, TEST, PROBES = 8_000, 512, 4


def load(seed: int, text: str | None = None) -> Loaded:
    """Draw words of letters, each once.

    Raises:
        InputError: a text was given.
    """
    without_text("reverse", text)
    draw = np.random.default_rng(seed)
    letters = np.array(list(string.ascii_lowercase))
    lengths = draw.integers(SHORTEST, LONGEST + 1, size=TRAIN + TEST)
    words = {" ".join(draw.choice(letters, length)): None for length in lengths}
    pairs = [(word, word[::-1]) for word in words]
    # One token more is read and written than the word has: its end.
    counts = [len(word.split()) + 1 for word, _ in pairs[:PROBES]]
    targets = [
        reverse_targets(count, count, special=[*(False,) * (count - 1), True]) for count in counts
    ]
    tokenizer = symbol_tokenizer(letters.tolist(), end=True)
    return writing.loaded(pairs, TEST, tokenizer, TASK.options, targets)


TASK = Task(
    name="reverse",
    title="Reverse a word",
    kind="seq2seq",
    learns="Letters go in, and the same letters are to come out, the last one first.",
    shows="The decoder attends to the end of the word first and then ever further left: an anti-diagonal.",
    options=TransformerOptions(
        architecture="encoder-decoder",
        vocab_size=len(string.ascii_lowercase) + 4,
        d_model=64,
        layers=1,
        heads=2,
        max_tokens=64,
        tied=False,
    ),
    settings=Settings(steps=700, batch_size=64, keep_every=20),
    metric="accuracy",
    solved=0.95,
    scored=0.8,
    load=load,
)
