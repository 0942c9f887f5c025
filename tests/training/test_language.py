"""A language model of any text: what it learns from, what is unseen, and texts of one's own."""

from __future__ import annotations

import dataclasses
import math
import random
import string
from collections import Counter
from itertools import pairwise

import pytest
import torch

from tests.training.test_tasks import Ignoring
from viz.capture.load_and_wrap_model import wrap_model
from viz.errors import TextError
from viz.models.custom import build_model
from viz.training.bundled_data import text_of
from viz.training.dataset_batches import column
from viz.training.evaluation import tried
from viz.training.final_scores import outcome_of
from viz.training.model_card import said
from viz.training.task_examples import batches
from viz.training.task_examples import test_batches as unseen
from viz.training.tasks import language
from viz.training.training_loop import train
from viz.training.user_text import LEAST_CHARACTERS, MOST_CHARACTERS

NOVEL = text_of("moby-dick")
DRAW = random.Random(0)
HAN = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
EMOJI = ("😀", "👩🏽‍🚀", "🏳️‍🌈", "🇩🇪", "🐈", "❤️", "e\u0301", " ok ", "\n")
OWN = {
    "short": NOVEL[: LEAST_CHARACTERS + 1],
    "Chinese": "".join(DRAW.choices(HAN + "，。\n", k=LEAST_CHARACTERS)),
    "emoji": "".join(DRAW.choices(EMOJI, k=LEAST_CHARACTERS)),
}


@pytest.fixture(scope="module")
def loaded():
    return language.load(seed=0)


def joined(tokenizer, rows) -> str:
    return tokenizer.decode(column(rows, "input_ids").flatten())


def test_what_is_unseen_comes_after_what_is_learnt_from():
    loaded = language.load(0, NOVEL[:50_000])
    end = round(50_000 * (1 - language.TEST_SHARE))
    assert NOVEL[:end].startswith(joined(loaded.tokenizer, loaded.examples.train))
    assert NOVEL[end:50_000].startswith(joined(loaded.tokenizer, loaded.examples.test))


def test_pieces_are_made_of_what_is_learnt_from_alone():
    # A word that only the unseen end has stays in pieces.
    loaded = language.load(0, NOVEL[:40_000] + "zyzzyva " * 500)
    assert len(loaded.tokenizer.tokenize(" zyzzyva")) > 4


def test_probes_are_texts_that_explore_reads_the_same_way(loaded):
    assert len(loaded.probes) == language.PROBES
    for probe in loaded.probes:
        assert isinstance(probe.given, str)
        ids = loaded.tokenizer(probe.given)["input_ids"]
        assert len(ids) == language.LENGTH
        matches = probe.targets.matches(torch.arange(language.LENGTH), 0, language.LENGTH)
        assert (matches == torch.ones(64, 64).diagonal(-1).diag(-1).bool()).all()


def test_bigrams_are_counted_as_the_paper_says():
    loaded = language.load(0, NOVEL[:6_000])
    train, test = (
        [row.tolist() for row in column(rows, "input_ids")]
        for rows in (loaded.examples.train, loaded.examples.test)
    )
    single = Counter(one for row in train for one in row)
    pairs = Counter(pair for row in train for pair in pairwise(row))
    total = sum(single.values()) + loaded.options.vocab_size
    losses = []
    for row in test:
        for one, then in pairwise(row):
            after = {pair: count for pair, count in pairs.items() if pair[0] == one}
            kinds = max(1, len(after))
            alone = (single[then] + 1) / total
            chance = (pairs[one, then] + kinds * alone) / (sum(after.values()) + kinds)
            losses.append(-math.log(chance))
    told = language.by_counting(loaded)
    assert told.value == pytest.approx(sum(losses) / len(losses), rel=1e-6)


@pytest.mark.parametrize("name", OWN)
def test_a_text_of_ones_own_in_any_script_is_learnt_from(name):
    text = OWN[name]
    loaded = language.load(0, text)
    assert any("soon known by heart" in note for note in loaded.notes)
    assert loaded.tokenizer.decode(loaded.tokenizer(text)["input_ids"]) == text
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    before = tried(model, unseen(loaded.examples, 8, 99)).loss
    settings = dataclasses.replace(language.TASK.settings, steps=15, keep_every=15, batch_size=8)
    train(model, loaded.examples, settings, Ignoring())
    assert tried(model, unseen(loaded.examples, 8, 99)).loss < before
    outcome = outcome_of(language.TASK, loaded, wrap_model(model.eval(), loaded.tokenizer))
    assert math.isfinite(outcome.baseline.value)
    assert len(column(loaded.examples.test, "input_ids")) < language.LEAST_JUDGED
    assert any("too little can be told" in note for note in loaded.notes)
    assert not outcome.is_judged
    assert not outcome.is_solved
    assert "too few to judge" in said(language.TASK, outcome)[0]


def test_of_a_long_text_the_beginning_is_used_and_that_is_said():
    long = NOVEL + text_of("addresses")[: MOST_CHARACTERS - len(NOVEL) + 500_000]
    loaded = language.load(0, long)
    assert any("the first 1,000,000 are used" in note for note in loaded.notes)
    assert not any("by heart" in note for note in loaded.notes)
    count = sum(len(rows) for rows in (loaded.examples.train, loaded.examples.test))
    assert count * language.LENGTH < MOST_CHARACTERS


def test_a_text_that_says_one_thing_again_and_again_is_said():
    with pytest.raises(
        TextError, match=r"are learnt from, make \d+ pieces?; at least 64 are needed"
    ):
        language.load(0, "ha" * LEAST_CHARACTERS)
    unseen = "ha" * 2_000 + NOVEL[:6_000] + "ha" * 600
    with pytest.raises(TextError, match=r"last 10% .* unseen, make \d+ pieces?; at least 64"):
        language.load(0, unseen)


def test_a_model_that_has_only_counted_has_not_learnt_a_text_that_says_nothing():
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=20_000))
    loaded = language.load(0, noise)
    assert len(column(loaded.examples.test, "input_ids")) >= language.LEAST_JUDGED
    train, test = (
        column(rows, "input_ids") for rows in (loaded.examples.train, loaded.examples.test)
    )
    baseline = language.by_counting(loaded)
    assert "unigrams" in baseline.name, "pairs of noise say less than nothing"
    # Even who knows how often each piece comes, of the unseen ones too.
    all_pieces = torch.cat([train.flatten(), test[:, 1:].flatten()])
    chances = torch.bincount(all_pieces, minlength=512) / all_pieces.numel()
    knows_nothing = float(-chances[test[:, 1:]].log().mean())
    assert not language.TASK.is_solved(knows_nothing, baseline)


def test_the_task_is_learnt_where_bigrams_are_beaten(loaded):
    task, baseline = language.TASK, language.by_counting(loaded)
    goal = baseline.value - language.MARGIN
    assert task.goal(baseline) == goal
    assert task.is_solved(goal - 0.01, baseline)
    assert not task.is_solved(baseline.value, baseline), "as good is not better"
    # Without having measured it, of the plays that come along.
    assert baseline.value - 0.2 < task.goal() < baseline.value


def test_a_model_learns_which_pieces_there_are_before_anything_else(loaded):
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    settings = dataclasses.replace(language.TASK.settings, steps=40, keep_every=40)
    train(model, loaded.examples, settings, Ignoring())
    batch = next(batches(loaded.examples, 64, seed=0))["input_ids"]
    chances = torch.bincount(batch.flatten(), minlength=loaded.options.vocab_size) / batch.numel()
    entropy = torch.special.entr(chances).sum()
    assert tried(model, unseen(loaded.examples, 32, 64)).loss < entropy
