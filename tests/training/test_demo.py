"""What the demo model learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import viz
from viz.errors import InputError
from viz.models.custom.small_tokenizers import byte_pair_tokenizer
from viz.training.dataset_batches import column
from viz.training.demo import recipe
from viz.training.demo.measures import RUN, doubled, measured, random_runs
from viz.training.demo.recipe import LENGTH, STAGES, as_examples, as_text, corpus, with_repeats

WORDS = "a whale a ship the sea and the wind that blows over all of them day after day "


@pytest.fixture
def known(monkeypatch):
    texts = {name: f"{name} {WORDS}" * 400 for name in ("one", "two")}
    monkeypatch.setattr(recipe, "TEXTS", texts)
    monkeypatch.setattr(recipe, "text_of", texts.get)
    return corpus(byte_pair_tokenizer(texts.values(), vocab_size=300, start=True))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.title)
def test_a_passage_comes_again_with_the_text_going_on_between(stage):
    places = with_repeats(3_000, stage, np.random.default_rng(0))
    assert places.shape == (3_000, stage.length - 1)
    distances = set()
    for row in places:
        # The passage begins anew where a place comes that is not the next, or comes a second time.
        steps = np.flatnonzero(np.diff(row) < 0) + 1
        distances.update(np.diff(steps).tolist())
        seen = np.unique(row)
        # No piece of the text is left out from the first that is fresh on.
        fresh = seen[seen > stage.longest]
        assert (np.diff(fresh) == 1).all()
        assert row.max() < stage.length - 1 + stage.between
    assert len(distances) > (stage.longest - stage.shortest) / 2
    assert min(distances) >= stage.shortest
    assert max(distances) <= stage.longest + stage.between


def test_examples_are_of_the_seen_part_and_begin_as_every_text(known):
    for whole in STAGES:
        stage = replace(whole, settings=replace(whole.settings, steps=3))
        loaded = as_examples(known, stage)
        rows = column(loaded.examples.train, "input_ids")
        assert rows.shape == (stage.settings.steps * stage.settings.batch_size, stage.length)
        assert (rows[:, 0] == known.tokenizer.bos_token_id).all()
        assert (rows[:, 1:] != known.tokenizer.bos_token_id).all()
        assert column(loaded.examples.test, "input_ids").shape == known.unseen.shape


def test_the_ends_of_all_texts_are_unseen(known):
    plain = column(as_text(known).examples.train, "input_ids")
    whole = known.tokenizer.decode(plain[:, 1:].flatten())
    assert "one a whale" in whole
    assert "two a whale" in whole
    lengths = len(known.seen), known.unseen[:, 1:].size
    assert lengths[1] == pytest.approx(lengths[0] * 0.05, abs=2 * LENGTH)


def test_random_runs_hold_every_piece_once_and_come_twice():
    runs = random_runs(500, 8, np.random.default_rng(0))
    assert runs.shape == (8, RUN)
    assert runs.min() >= 4
    assert all(len(set(run)) == RUN for run in runs.tolist())
    twice = doubled(runs, 2)
    assert twice.shape == (8, LENGTH - 1)
    assert (twice[:, 1 : RUN + 1] == twice[:, RUN + 1 :]).all()


def test_another_kind_of_model_is_not_measured(known):
    other = viz.wrap_model(torch.nn.Sequential(torch.nn.MultiheadAttention(8, 2)), name="other")
    with pytest.raises(InputError, match="other is no model that was trained here"):
        measured(other, known)
