"""Copy after a repeat: the task that made induction heads known."""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray

from viz.analysis.head_patterns import induction_targets
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import symbol_tokenizer
from viz.models.custom.task_losses import IGNORED
from viz.training.dataset_batches import distinct, examples_of
from viz.training.task import Loaded, Probe, Task, without_text
from viz.training.training_settings import Settings

SYMBOLS = (*string.ascii_letters, *string.digits)

# A sequence is one run of symbols, over and over. How long a run is must be found out each time, so
# that no place is always the right one; and there are many more symbols than a run has, so that it
# helps little to know which of them did not come for long.
LENGTH = 32
SHORTEST, LONGEST = 6, 14

TRAIN, TEST, PROBES = 16_000, 512, 4


def load(seed: int, text: str | None = None) -> Loaded:
    """Draw runs of symbols and repeat them.

    Raises:
        InputError: a text was given.
    """
    without_text("induction", text)
    tokenizer = symbol_tokenizer(SYMBOLS)
    draw = np.random.default_rng(seed)
    ids = np.array(tokenizer.convert_tokens_to_ids(list(SYMBOLS)))
    rows = distinct(repeated(ids, TRAIN + TEST, draw), draw)
    sequences, periods = rows[:, 1:], rows[:, 0]
    labels = known(sequences, periods)
    test = slice(0, TEST)
    train = slice(TEST, None)
    return Loaded(
        examples=examples_of(
            {"input_ids": sequences[train], "labels": labels[train]},
            {"input_ids": sequences[test], "labels": labels[test]},
        ),
        tokenizer=tokenizer,
        options=TASK.options,
        probes=tuple(
            Probe(tokenizer.decode(one), None, "self", induction_targets(one))
            for one in sequences[:PROBES]
        ),
    )


def repeated(ids: NDArray[np.int64], count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Draw sequences that repeat a run of symbols, none of which comes twice in a run.

    Returns:
        Shape [count, 1 + LENGTH]: the length of the run, then the sequence.
    """
    periods = draw.integers(SHORTEST, LONGEST + 1, size=(count, 1))
    runs = draw.permuted(np.tile(ids, (count, 1)), axis=1)
    places = np.arange(LENGTH) % periods
    return np.concatenate([periods, np.take_along_axis(runs, places, axis=1)], axis=1)


def known(sequences: NDArray[np.int64], periods: NDArray[np.int64]) -> NDArray[np.int64]:
    """Label what can be known: all after the first symbol that comes again, which tells the run's end."""
    known = np.arange(LENGTH) > periods[:, None]
    return np.where(known, sequences, IGNORED)


TASK = Task(
    name="induction",
    title="Copy after a repeat",
    kind="causal",
    learns="Symbols in an order that was never seen come a second time; each next one is to be said.",
    shows="From the second time on, a head attends to the symbol that followed the last time: a stripe.",
    options=TransformerOptions(
        architecture="decoder",
        vocab_size=len(SYMBOLS) + 4,
        d_model=64,
        layers=2,
        heads=2,
        positions="rotary",
        max_tokens=256,
        tied=False,
    ),
    settings=Settings(steps=600, keep_every=20),
    metric="accuracy",
    solved=0.95,
    scored=0.8,
    load=load,
)
