"""What the demo model is made of, and what it learns from: three texts, in which passages come again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import byte_pair_tokenizer
from viz.training.bundled_data import TEXTS, text_of
from viz.training.dataset_batches import examples_of
from viz.training.task import Loaded
from viz.training.training_settings import Settings

# In the catalogue.
NAME = "loupe"

PIECES = 1_000

# Pieces of a sequence, the first of which is [BOS].
LENGTH = 256

# The end of each text is unseen.
UNSEEN = 0.05

OPTIONS = TransformerOptions(
    architecture="decoder",
    vocab_size=PIECES,
    d_model=192,
    layers=3,
    heads=6,
    positions="rotary",
    max_tokens=LENGTH,
    tied=False,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training.

    Attributes:
        title: what is learnt in it.
        settings: how.
        length: pieces of a sequence.
        repeated: share of the sequences in which a passage of the text comes again and again.
        shortest: pieces of a passage, at least.
        longest: pieces of a passage, at most.
        between: pieces of the text that go on between, at most.
        shuffled: share of the sequences whose pieces are in an order of chance, before passages come
            again, so that only what came before tells what comes next.
    """

    title: str
    settings: Settings
    length: int
    repeated: float
    shortest: int
    longest: int
    between: int
    shuffled: float = 0


# Where a sequence is short and full of repeats, induction heads form within some hundred steps; in long
# ones there was no sign of them after 1,500.
STAGES = (
    Stage(
        "short passages over and over",
        Settings(steps=1_000, batch_size=32, learning_rate=4e-3, keep_every=200, test_examples=64),
        length=32,
        repeated=1,
        shortest=3,
        longest=10,
        between=0,
    ),
    Stage(
        "text",
        Settings(steps=3_000, batch_size=4, learning_rate=2e-3, keep_every=500, test_examples=64),
        length=LENGTH,
        repeated=1 / 3,
        shortest=8,
        longest=100,
        between=60,
    ),
    Stage(
        "text, and passages over and over at longer distances",
        Settings(steps=500, batch_size=4, learning_rate=2e-3, keep_every=100, test_examples=64),
        length=LENGTH,
        repeated=2 / 3,
        shortest=32,
        longest=120,
        between=20,
        shuffled=1 / 2,
    ),
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts in pieces.

    Attributes:
        tokenizer: that cut them.
        seen: what is learnt from, one text after the other, [piece].
        unseen: the ends of the texts as sequences that begin with [BOS], [sequence, LENGTH].
    """

    tokenizer: PreTrainedTokenizerBase
    seen: NDArray[np.int64]
    unseen: NDArray[np.int64]


def corpus_tokenizer() -> PreTrainedTokenizerBase:
    """Learn pieces of words from what may be seen of the texts."""
    seen = [_parted(text_of(name))[0] for name in TEXTS]
    return byte_pair_tokenizer(seen, vocab_size=PIECES, start=True)


def corpus(tokenizer: PreTrainedTokenizerBase) -> Corpus:
    """Cut all texts into pieces."""
    # The fast way leaves out where pieces stand in the text.
    encode = tokenizer.backend_tokenizer.encode_batch_fast
    seen, unseen = (
        [np.array(one.ids) for one in encode(list(side), add_special_tokens=False)]
        for side in zip(*(_parted(text_of(name)) for name in TEXTS), strict=True)
    )
    ends = np.concatenate([_stretches(one) for one in unseen])
    return Corpus(tokenizer, np.concatenate(seen), _begun(ends, tokenizer))


def as_examples(known: Corpus, stage: Stage) -> Loaded:
    """Draw a sequence for every place in every batch, from anywhere in the texts, by the seed."""
    draw = np.random.default_rng(stage.settings.seed)
    count, width = stage.settings.steps * stage.settings.batch_size, stage.length - 1
    firsts = draw.integers(len(known.seen) - width + 1, size=(count, 1))
    repeated = draw.random((count, 1)) < stage.repeated
    places = np.where(repeated, with_repeats(count, stage, draw), np.arange(width))
    # A sequence that begins in a passage needs a little more of the text than it is long.
    text = known.seen.take(firsts + np.arange(width + stage.between), mode="wrap")
    if stage.shuffled:
        chosen = draw.random(count) < stage.shuffled
        text[chosen, :width] = draw.permuted(text[chosen, :width], axis=1)
    train = np.take_along_axis(text, places, axis=1)
    # Those that a checkpoint is tried on are of all three texts.
    return _loaded(known, _begun(train, known.tokenizer), draw.permutation(known.unseen))


def as_text(known: Corpus) -> Loaded:
    """Take the texts as they are, each passage once, such as for a model that counts."""
    return _loaded(known, _begun(_stretches(known.seen), known.tokenizer), known.unseen)


def with_repeats(count: int, stage: Stage, draw: np.random.Generator) -> NDArray[np.int64]:
    """Say which piece of a text stands where if a passage of it comes again and again.

    How long the passage is and how much of the text goes on between is drawn anew for each sequence, so
    that no distance is always the right one.

    Returns:
        Shape [count, length - 1], from 0 to length - 2 + between.
    """
    lengths = draw.integers(stage.shortest, stage.longest + 1, size=(count, 1))
    between = draw.integers(0, stage.between + 1, size=(count, 1))
    periods = lengths + between
    places = np.arange(stage.length - 1) + draw.integers(0, periods)
    rounds, within = places // periods, places % periods
    return np.where(within < lengths, within, rounds * between + within)


def _parted(text: str) -> tuple[str, str]:
    """Part a text into what is learnt from and its unseen end."""
    end = round(len(text) * (1 - UNSEEN))
    return text[:end], text[end:]


def _stretches(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut a text into sequences, one after the other."""
    width = LENGTH - 1
    count = len(ids) // width
    return ids[: count * width].reshape(count, width)


def _begun(rows: NDArray[np.int64], tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    """Put what begins a text before every sequence."""
    return np.insert(rows, 0, tokenizer.bos_token_id, axis=1)


def _loaded(known: Corpus, train: NDArray[np.int64], test: NDArray[np.int64]) -> Loaded:
    return Loaded(
        examples=examples_of(
            {"input_ids": train, "labels": train}, {"input_ids": test, "labels": test}
        ),
        tokenizer=known.tokenizer,
        options=OPTIONS,
        probes=(),
    )
