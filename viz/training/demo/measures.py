"""What the demo model is measured by: its loss on unseen text, and the scores of its heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis.head_scores import (
    HeadScores,
    induction_scores,
    mean_scores,
    previous_token_scores,
)
from viz.capture import capture
from viz.capture.stack import Stack
from viz.errors import InputError
from viz.models.custom.small_tokenizers import SPECIAL
from viz.models.custom.transformers_models import LoupeForCausalLM
from viz.models.model import Model
from viz.training.demo.recipe import LENGTH, Corpus, as_text
from viz.training.evaluation import tried
from viz.training.task_examples import test_batches
from viz.training.tasks.language import by_counting

# Sequences that heads are scored on, and how many are run at a time for the loss.
SCORED, BATCH = 16, 16

# Pieces of a run that comes twice: with [BOS] they fill a sequence.
RUN = (LENGTH - 1) // 2

Score = Callable[[Stack], HeadScores]


@dataclass(frozen=True, slots=True)
class Heads:
    """What its heads do.

    Attributes:
        previous: scores for the token before, on unseen text.
        induction: induction scores on random pieces that come twice.
        induction_text: the same on unseen text that comes twice.
        copied: share of the pieces that the model says right when random ones come the second time.
    """

    previous: HeadScores
    induction: HeadScores
    induction_text: HeadScores
    copied: float


@dataclass(frozen=True, slots=True)
class Measures:
    """What came of it.

    Attributes:
        loss: on all unseen text, in nats a piece.
        accuracy: share of the pieces that it would have said.
        bigram_loss: of guessing each piece from the one before alone, on the same.
        heads: what they do.
    """

    loss: float
    accuracy: float
    bigram_loss: float
    heads: Heads


def measured(model: Model, known: Corpus) -> Measures:
    """Measure a model of ours that reads the pieces of the texts.

    Raises:
        InputError: it is another.

    Cost: all unseen text, 0.2 million pieces, is read once, and all text is counted for the bigrams.
    """
    if not isinstance(model.module, LoupeForCausalLM):
        raise InputError(
            f"{model.name} is no model that was trained here.",
            "Give one that reads the same pieces, such as a folder of scripts/demo_model.py.",
        )
    loaded = as_text(known)
    trial = tried(model.module, test_batches(loaded.examples, BATCH, len(known.unseen)))
    bigrams = by_counting(loaded)
    return Measures(trial.loss, trial.accuracy, bigrams.value, scored(model, known))


def scored(model: Model, known: Corpus, *, seed: int = 0) -> Heads:
    """Score a model's heads.

    Args:
        model: a language model that reads the pieces of the texts.
        known: the texts, of which the unseen ends are used.
        seed: of the random pieces.
    """
    start = known.tokenizer.bos_token_id
    # In equal steps through the ends of all three texts.
    chosen = known.unseen[np.linspace(0, len(known.unseen) - 1, SCORED).astype(int)]
    draw = np.random.default_rng(seed)
    twice = doubled(random_runs(len(known.tokenizer), SCORED, draw), start)
    text_twice = doubled(chosen[:, 1 : RUN + 1], start)
    return Heads(
        previous=_scores(model, chosen, previous_token_scores),
        induction=_scores(model, twice, induction_scores),
        induction_text=_scores(model, text_twice, induction_scores),
        copied=_copied(model, twice),
    )


def random_runs(pieces: int, count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Draw runs of pieces, none of which comes twice in a run: [run, RUN]."""
    ordinary = np.tile(np.arange(len(SPECIAL), pieces), (count, 1))
    runs: NDArray[np.int64] = draw.permuted(ordinary, axis=1)[:, :RUN]
    return runs


def doubled(runs: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Let every run come twice, after [BOS]."""
    return np.insert(np.tile(runs, 2), 0, start, axis=1)


def _scores(model: Model, rows: NDArray[np.int64], score: Score) -> HeadScores:
    """Score every head on some sequences, each query counting the same."""
    return mean_scores([score(_stack(model, row)) for row in rows])


def _stack(model: Model, row: Sequence[int] | NDArray[np.int64]) -> Stack:
    return capture(model, {"input_ids": torch.as_tensor(row)[None]}).stacks["self"]


@torch.no_grad()
def _copied(model: Model, twice: NDArray[np.int64]) -> float:
    """Return the share of right guesses where a run has begun to come the second time."""
    ids = torch.from_numpy(twice).to(model.device)
    said = model.module(input_ids=ids).logits.argmax(-1)
    # The first of the run is no copy of anything: what comes after it is.
    asked = slice(RUN + 1, 2 * RUN)
    wanted = ids[:, RUN + 2 : 2 * RUN + 1]
    return float((said[:, asked] == wanted).float().mean())
