"""Whether a post is glad or not: an encoder that finds the words which tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from viz.analysis.head_patterns import same_targets
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import SPECIAL, word_tokenizer
from viz.training.bundled_data import table_of
from viz.training.dataset_batches import Columns, examples_of, split
from viz.training.task import Baseline, Loaded, Probe, Task, without_text
from viz.training.training_settings import Settings
from viz.training.word_vectors import begin_with_word_vectors

# Ratings go from -4 to 4; posts and words nearer to 0 than this are neither good nor bad.
LEAST_RATING = 0.5

TEST, PROBES = 600, 16

# Words of opinion that a post has at least of which attention is scored.
LEAST_OPINIONS = 2

# All words of the posts that are learnt from have room.
MOST_WORDS = 20_000
MOST_TOKENS = 64


def load(seed: int, text: str | None = None) -> Loaded:
    """Read the posts that are clearly good or bad, and draw which are unseen.

    Raises:
        InputError: a text was given.
    """
    without_text("sentiment", text)
    posts = table_of("posts")
    posts = posts[posts["rating"].abs() >= LEAST_RATING]
    texts, good = posts["text"].tolist(), (posts["rating"] > 0).astype(int).tolist()
    train, test = split(len(texts), TEST, np.random.default_rng(seed))
    # Its words are those of the posts that are learnt from.
    tokenizer = word_tokenizer([texts[one] for one in train], vocab_size=MOST_WORDS, lower=True)

    def columns(numbers: Sequence[int]) -> Columns:
        ids = tokenizer([texts[one] for one in numbers])["input_ids"]
        return {"input_ids": ids, "labels": [good[one] for one in numbers]}

    words = tokenizer.convert_ids_to_tokens(list(range(len(SPECIAL), len(tokenizer))))
    return Loaded(
        examples=examples_of(columns(train), columns(test), DataCollatorWithPadding(tokenizer)),
        tokenizer=tokenizer,
        options=replace(TASK.options, vocab_size=len(tokenizer)),
        probes=probes([texts[one] for one in test], tokenizer),
        begin=partial(begin_with_word_vectors, words=words),
        notes=(
            f"Of {sum(good):,} good and {len(good) - sum(good):,} bad posts {TEST} are unseen; those "
            f"that 20 people rated between -{LEAST_RATING} and {LEAST_RATING} on average are left out.",
            "Words begin with vectors of all-MiniLM-L6-v2, which has read far more.",
        ),
    )


def opinions() -> frozenset[str]:
    """Return the words that people rated as good or bad, whatever they stand in."""
    words = table_of("rated-words")
    return frozenset(words["word"][words["rating"].abs() >= LEAST_RATING])


def probes(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> tuple[Probe, ...]:
    """Let every word of a post look at words of opinion, of the first posts that have some."""
    telling, found = opinions(), []
    for text in texts:
        rated = torch.tensor([word in telling for word in tokenizer.tokenize(text)]).long()
        if rated.sum() >= LEAST_OPINIONS:
            targets = same_targets(torch.ones_like(rated), rated)
            found.append(Probe(text, None, "self", targets))
    return tuple(found[:PROBES])


def by_its_words(loaded: Loaded) -> Baseline:
    """Add up a weight for each word that a post has: logistic regression on a bag of words."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    (train, test) = (
        (rows[:]["input_ids"], rows[:]["labels"])
        for rows in (loaded.examples.train, loaded.examples.test)
    )
    # Of counts and presence, and of how much weights are kept small, the best on these posts.
    bag = CountVectorizer(analyzer=list, binary=True)
    method = make_pipeline(bag, LogisticRegression(C=10, max_iter=1_000)).fit(*train)
    return Baseline("a weight for each word (logistic regression)", float(method.score(*test)))


TASK = Task(
    name="sentiment",
    title="Sentiment of posts",
    kind="encoder",
    learns="A short post that somebody wrote goes in; whether it is good or bad news is to come out.",
    shows="Words attend to words of opinion, such as love and sad, more than at others.",
    options=TransformerOptions(
        architecture="encoder",
        task="classification",
        vocab_size=MOST_WORDS,
        outputs=2,
        d_model=64,
        layers=1,
        heads=2,
        max_tokens=MOST_TOKENS,
        dropout=0.3,
    ),
    settings=Settings(steps=600, keep_every=20, test_examples=TEST),
    metric="accuracy",
    solved=0.88,
    scored=0.25,
    load=load,
    beats_baseline=True,
    baseline=by_its_words,
)
