"""Sentiment: posts and words that people rated."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.training.test_tasks import Ignoring
from viz.capture.load_and_wrap_model import wrap_model
from viz.errors import ModelNotFoundError
from viz.models.custom import build_model
from viz.training import word_vectors
from viz.training.bundled_data import table_of
from viz.training.final_scores import outcome_of
from viz.training.tasks import sentiment
from viz.training.training_loop import train
from viz.training.word_vectors import principal


@pytest.fixture(scope="module")
def loaded():
    return sentiment.load(seed=0)


def test_posts_are_good_or_bad_as_people_rated_them(loaded):
    ratings = table_of("posts").set_index("text")["rating"]
    by_ids = {
        tuple(ids): rating
        for ids, rating in zip(
            loaded.tokenizer(ratings.index.tolist())["input_ids"], ratings, strict=True
        )
    }
    for rows in (loaded.examples.train, loaded.examples.test):
        for ids, label in zip(rows[:]["input_ids"], rows[:]["labels"], strict=True):
            rating = by_ids[tuple(ids)]
            assert abs(rating) >= sentiment.LEAST_RATING
            assert label == (rating > 0)


def test_words_that_only_unseen_posts_have_are_unknown(loaded):
    seen = {one for ids in loaded.examples.train[:]["input_ids"] for one in ids}
    unseen = {one for ids in loaded.examples.test[:]["input_ids"] for one in ids}
    assert loaded.tokenizer.unk_token_id in unseen
    assert loaded.tokenizer.unk_token_id not in seen
    assert unseen - {loaded.tokenizer.unk_token_id} <= seen


def test_words_of_opinion_are_what_is_to_be_looked_at(loaded):
    telling = sentiment.opinions()
    assert {"love", "sad", "happy", "terrible"} <= telling
    assert not telling & {"the", "movie", "aboard"}
    assert len(loaded.probes) == sentiment.PROBES
    for probe in loaded.probes:
        words = loaded.tokenizer.tokenize(probe.given)
        wanted = [at for at, word in enumerate(words) if word in telling]
        assert len(wanted) >= sentiment.LEAST_OPINIONS
        matches = probe.targets.matches(torch.arange(len(words)), 0, len(words))
        assert (matches.nonzero()[:, 1].unique() == torch.tensor(wanted)).all()


def test_words_begin_near_words_that_mean_the_same(loaded):
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    drawn = model.transformer.embedding.table.weight[:4].detach().clone()
    loaded.begin(model)
    table = model.transformer.embedding.table.weight.detach()
    # As large as drawn ones, so that positions are neither lost nor everything.
    assert float(table[4:].std()) == pytest.approx(loaded.options.d_model**-0.5, rel=0.05)
    assert (table[loaded.tokenizer.unk_token_id] == 0).all()
    torch.testing.assert_close(table[0], drawn[0])

    def alike(one, other):
        ids = loaded.tokenizer(f"{one} {other}")["input_ids"]
        return float(torch.cosine_similarity(*table[ids], dim=0))

    assert alike("sad", "upset") > alike("sad", "monday") + 0.2
    assert alike("great", "awesome") > alike("great", "monday") + 0.2


@pytest.mark.parametrize("width", [8, 512])
def test_any_width_begins_with_word_vectors(loaded, width):
    options = dataclasses.replace(loaded.options, d_model=width)
    model = build_model(options, loaded.tokenizer, seed=0)
    before = model.transformer.embedding.table.weight.detach().clone()
    loaded.begin(model)
    after = model.transformer.embedding.table.weight.detach()
    known = min(width, 384)
    assert not torch.isclose(after[4:, :known], before[4:, :known]).all(dim=0).any()
    torch.testing.assert_close(after[4:, known:], before[4:, known:])


def test_principal_components_keep_what_differs_most():
    vectors = torch.tensor([[3.0, 0.0, 1.0], [-3.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, -1.0, 1.0]])
    kept = principal(vectors, 1)
    assert kept.shape == (4, 1)
    assert float(kept.square().mean()) == pytest.approx(1)
    assert abs(kept[0, 0] + kept[1, 0]) < 1e-5 < abs(kept[0, 0])
    torch.testing.assert_close(kept[2:], torch.zeros(2, 1), atol=1e-5, rtol=0)
    assert principal(vectors, 9).shape == (4, 3)


def test_a_machine_without_the_word_vectors_is_told(monkeypatch):
    monkeypatch.setattr(word_vectors, "local_folder", lambda _: None)
    with pytest.raises(ModelNotFoundError, match=r"word vectors of all-MiniLM-L6-v2 are not"):
        word_vectors.word_vectors(["a"])


def test_attention_does_better_than_a_bag_of_words_and_finds_the_words_that_tell(loaded):
    task = sentiment.TASK
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    loaded.begin(model)
    settings = dataclasses.replace(task.settings, keep_every=task.settings.steps)
    train(model, loaded.examples, settings, Ignoring())
    outcome = outcome_of(task, loaded, wrap_model(model.eval(), loaded.tokenizer))
    assert outcome.examples == sentiment.TEST
    # 72 % of the posts are good: to say so of all would be the least.
    assert 0.85 < outcome.baseline.value < outcome.value
    assert outcome.is_solved
    assert outcome.is_shown
    assert outcome.best.score > 2 * outcome.best.uniform
