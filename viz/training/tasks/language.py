"""A language model: the next piece of a real text, from those before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from viz.analysis.head_patterns import previous_targets
from viz.errors import TextError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import byte_pair_tokenizer
from viz.training.bundled_data import text_of
from viz.training.dataset_batches import column, examples_of
from viz.training.task import Baseline, Loaded, Probe, Task
from viz.training.training_settings import Settings
from viz.training.user_text import MOST_CHARACTERS, require_learnable

DEFAULT_TEXT = "shakespeare"

PIECES = 512
LENGTH = 64

# The end of the text is unseen.
TEST_SHARE = 0.1
PROBES, LOOKED_AT = 4, 64

# Of fewer unseen stretches the loss says too little: on ten, its standard error is some 0.05 nats.
LEAST_JUDGED = 10

# What a model gains by knowing the counts a little better, and nothing else, in nats.
MARGIN = 0.05

# A text of fewer characters is read many times over in a minute.
SHORT = 100_000


def load(seed: int, text: str | None = None) -> Loaded:
    """Cut a text into pieces, and these into stretches.

    The seed changes nothing: the end of the text is unseen.

    Args:
        seed: of the training.
        text: the user's own; Shakespeare's plays where there is none.

    Raises:
        TextError: it is too short.
    """
    whole = text_of(DEFAULT_TEXT) if text is None else text
    require_learnable(whole)
    used = whole[:MOST_CHARACTERS]
    end = round(len(used) * (1 - TEST_SHARE))
    seen, unseen = used[:end], used[end:]
    tokenizer = byte_pair_tokenizer([seen], vocab_size=PIECES)
    parts = {
        f"first {1 - TEST_SHARE:.0%} of the text, which are learnt from,": seen,
        f"last {TEST_SHARE:.0%} of the text, which are unseen,": unseen,
    }
    # The fast way leaves out where pieces stand in the text.
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(list(parts.values()))
    train, test = (
        stretches(np.array(one.ids), name) for name, one in zip(parts, encoded, strict=True)
    )
    notes = (
        f"The last {TEST_SHARE:.0%} of the text are unseen.",
        *(
            (
                f"A text of {len(whole):,} characters is soon known by heart, and the loss on its "
                "unseen end then grows.",
            )
            if len(whole) < SHORT
            else ()
        ),
        *(
            (
                f"Of those {pieces(test.size)} too little can be told: {pieces(LEAST_JUDGED * LENGTH)} "
                "are needed to judge whether the text was learnt.",
            )
            if len(test) < LEAST_JUDGED
            else ()
        ),
        *(
            (f"Of {len(whole):,} characters the first {MOST_CHARACTERS:,} are used.",)
            if len(whole) > MOST_CHARACTERS
            else ()
        ),
    )
    return Loaded(
        examples=examples_of(
            {"input_ids": train, "labels": train}, {"input_ids": test, "labels": test}
        ),
        tokenizer=tokenizer,
        options=replace(TASK.options, vocab_size=len(tokenizer)),
        probes=probes(test[:LOOKED_AT], tokenizer),
        notes=notes,
    )


def stretches(ids: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Cut a row of pieces into stretches [stretch, LENGTH], one after the other.

    Args:
        ids: of the pieces.
        name: of the part of the text that they are.

    Raises:
        TextError: there are not enough for one.
    """
    count = len(ids) // LENGTH
    if not count:
        raise TextError(
            f"The {name} make {pieces(len(ids))}; at least {LENGTH} are needed.",
            "Give a longer text, or one that repeats itself less.",
        )
    return ids[: count * LENGTH].reshape(count, LENGTH)


def pieces(count: int) -> str:
    """Say how many pieces."""
    return "1 piece" if count == 1 else f"{count:,} pieces"


def probes(unseen: NDArray[np.int64], tokenizer: PreTrainedTokenizerBase) -> tuple[Probe, ...]:
    """Let every piece of some stretches look at the one before.

    Those come first that a text stands for: where a stretch begins or ends inside a word, its text may be
    cut into other pieces.
    """
    texts = [tokenizer.decode(one) for one in unseen]
    again = tokenizer(texts)["input_ids"]
    given: list[tuple[bool, str | dict[str, Tensor]]] = [
        (False, text) if ids == one.tolist() else (True, {"input_ids": torch.from_numpy(one)[None]})
        for one, text, ids in zip(unseen, texts, again, strict=True)
    ]
    first = sorted(given, key=lambda pair: pair[0])[:PROBES]
    return tuple(Probe(one, None, "self", previous_targets(LENGTH)) for _, one in first)


def by_counting(loaded: Loaded) -> Baseline:
    """Guess each piece by how often it came, after the one before or at all, whichever does better.

    Pairs say less than single pieces where they are few, or say nothing. Counts of pairs are smoothed
    with those of single pieces, Witten & Bell 1991.
    """
    train, test = (
        column(rows, "input_ids") for rows in (loaded.examples.train, loaded.examples.test)
    )
    size = loaded.options.vocab_size or 0
    pairs = (train[:, :-1] * size + train[:, 1:]).flatten()
    counts = torch.bincount(pairs, minlength=size * size).view(size, size).double()
    alone = torch.bincount(train.flatten(), minlength=size).double() + 1
    kinds = (counts > 0).sum(dim=1, keepdim=True).clamp(min=1)
    chances = (counts + kinds * alone / alone.sum()) / (counts.sum(dim=1, keepdim=True) + kinds)
    paired = -chances[test[:, :-1], test[:, 1:]].log().mean()
    single = -(alone / alone.sum())[test[:, 1:]].log().mean()
    if single < paired:
        return Baseline("how often a piece came at all (unigrams)", float(single))
    return Baseline("how often a piece came after the one before (bigrams)", float(paired))


TASK = Task(
    name="language",
    title="Language model",
    kind="causal",
    learns="A text goes in, in pieces of words; the next piece is to come out.",
    shows="A head attends to the piece before, from which words are put together.",
    options=TransformerOptions(
        architecture="decoder",
        vocab_size=PIECES,
        d_model=96,
        layers=2,
        heads=6,
        positions="rotary",
        max_tokens=256,
        tied=False,
    ),
    settings=Settings(steps=500, learning_rate=6e-3, keep_every=25),
    metric="loss",
    solved=3.6,
    scored=0.4,
    load=load,
    beats_baseline=True,
    margin=MARGIN,
    least_judged=LEAST_JUDGED,
    baseline=by_counting,
    takes_text=True,
)
