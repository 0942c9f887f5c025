"""Write numbers in ascending order: what to look at next depends on what was written last."""

from __future__ import annotations

import numpy as np

from viz.analysis.head_patterns import sorting_targets
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import symbol_tokenizer
from viz.training.task import Loaded, Task, without_text
from viz.training.tasks import writing
from viz.training.training_settings import Settings

NUMBERS = 50
SHORTEST, LONGEST = 5, 12
TRAIN, TEST, PROBES = 8_000, 512, 4


def load(seed: int, text: str | None = None) -> Loaded:
    """Draw different numbers, each lot of them once.

    Raises:
        InputError: a text was given.
    """
    without_text("sorting", text)
    draw = np.random.default_rng(seed)
    lots: dict[tuple[int, ...], list[int]] = {}
    while len(lots) < TRAIN + TEST:
        count = draw.integers(SHORTEST, LONGEST + 1)
        values = draw.choice(NUMBERS, count, replace=False).tolist()
        lots.setdefault(tuple(sorted(values)), values)
    pairs = [(spelled(values), spelled(ordered)) for ordered, values in lots.items()]
    targets = [
        sorting_targets(
            len(values) + 1, [*values, NUMBERS], special=[*(False,) * len(values), True]
        )
        for values in list(lots.values())[:PROBES]
    ]
    tokenizer = symbol_tokenizer([str(number) for number in range(NUMBERS)], end=True)
    return writing.loaded(pairs, TEST, tokenizer, TASK.options, targets)


def spelled(values: tuple[int, ...] | list[int]) -> str:
    """Write numbers with spaces between them."""
    return " ".join(map(str, values))


TASK = Task(
    name="sorting",
    title="Sort numbers",
    kind="seq2seq",
    learns="Different numbers go in, and the same numbers are to come out, the smallest first.",
    shows="The decoder attends to the number that comes next in size; where it stands is of no interest.",
    options=TransformerOptions(
        architecture="encoder-decoder",
        vocab_size=NUMBERS + 4,
        d_model=64,
        layers=1,
        heads=1,
        positions="none",
        max_tokens=64,
        tied=False,
    ),
    settings=Settings(steps=700, batch_size=64, keep_every=20),
    metric="accuracy",
    solved=0.95,
    scored=0.7,
    load=load,
)
