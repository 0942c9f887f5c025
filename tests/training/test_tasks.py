"""Tasks: their data is the same for a seed, shares nothing with what it is tried on, and can be learnt."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from viz.capture.load_and_wrap_model import wrap_model
from viz.errors import InputError
from viz.models.custom import build_model
from viz.models.custom.task_losses import IGNORED
from viz.models.custom.transformers_models import class_of
from viz.training.evaluation import tried
from viz.training.task import Baseline, Loaded, Task
from viz.training.task_examples import batches
from viz.training.task_examples import test_batches as unseen
from viz.training.tasks import TASKS, find_task, forecasting, induction, sessions
from viz.training.training_loop import train

ARCHITECTURES = {"encoder": "encoder", "causal": "decoder", "seq2seq": "encoder-decoder"}


@pytest.fixture(scope="module", params=TASKS)
def task(request) -> Task:
    return TASKS[request.param]


@pytest.fixture(scope="module")
def loaded(task) -> Loaded:
    return task.load(seed=0)


def inputs(batch) -> list[bytes]:
    """What a model is given of each example, to be compared."""
    name = next(iter(batch))
    return [one.numpy().tobytes() for one in batch[name]]


def rows(table) -> list[bytes]:
    name = next(name for name in table.column_names if name != "labels")
    return [np.asarray(torch.as_tensor(row)).tobytes() for row in table[:][name]]


class Ignoring:
    """Hears of a training and does nothing."""

    def moved(self, moment):
        pass

    def keep(self, step, trial, remember):
        pass


def test_a_task_says_what_it_is(task):
    assert find_task(task.name) is task
    assert task.options.architecture == ARCHITECTURES[task.kind]
    for sentence in (task.learns, task.shows):
        assert sentence.endswith(".")
    assert 0 < task.scored < 1


def test_nothing_that_is_tried_was_learnt_from(loaded):
    seen, held = set(rows(loaded.examples.train)), rows(loaded.examples.test)
    assert held
    assert not seen.intersection(held)


def test_the_same_seed_gives_the_same_data_and_another_seed_other(task, loaded):
    again, other = task.load(seed=0), task.load(seed=1)
    first, same, different = (
        inputs(next(batches(one.examples, 8, seed=0))) for one in (loaded, again, other)
    )
    assert first == same
    if task.name not in ("forecasting", "language"):  # of which there is only one
        assert first != different


def test_a_batch_is_what_the_model_takes(task, loaded):
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    assert type(model) is class_of(task.options)
    batch = next(batches(loaded.examples, 8, seed=0))
    assert torch.isfinite(model(**batch).loss)


def test_every_probe_is_unseen(loaded):
    held = rows(loaded.examples.test)
    for probe in loaded.probes:
        if isinstance(probe.given, str):
            ids = loaded.tokenizer(probe.given)["input_ids"]
            assert np.array(ids).tobytes() in held
        else:
            assert next(iter(probe.given.values()))[0].numpy().tobytes() in held


def test_a_model_that_has_learnt_nothing_is_scored_near_the_baseline(task, loaded):
    model = build_model(loaded.options, loaded.tokenizer, seed=0).eval()
    best = loaded.scores(wrap_model(model, loaded.tokenizer)).best
    assert 0 < best.uniform < task.scored
    assert best.score < task.scored


def test_a_task_with_data_of_its_own_takes_no_text(task):
    if not task.takes_text:
        with pytest.raises(InputError, match=f"{task.name} learns from data of its own"):
            task.load(seed=0, text="A text.")


def test_what_is_solved_depends_on_the_metric(task):
    good, bad = (1.0, 0.0) if task.metric == "accuracy" else (0.0, 9.0)
    assert task.is_solved(good)
    assert not task.is_solved(bad)


def test_a_task_that_is_to_beat_its_baseline_is_measured_by_it(task):
    baseline = Baseline("by chance", 0.3)
    assert task.goal() == task.solved
    gap = task.margin if task.metric == "accuracy" else -task.margin
    assert task.goal(baseline) == (0.3 + gap if task.beats_baseline else task.solved)
    assert task.beats_baseline <= (task.baseline is not None)


@pytest.mark.parametrize("name", ["forecasting", "sessions"])
def test_a_baseline_is_worse_than_what_counts_as_solved(name):
    task = TASKS[name]
    baseline = task.baseline(task.load(seed=0))
    assert not task.is_solved(baseline.value)


def test_a_model_learns_to_copy_by_an_induction_head():
    task = TASKS["induction"]
    loaded = task.load(seed=0)
    model = build_model(loaded.options, loaded.tokenizer, seed=0)
    train(model, loaded.examples, dataclasses.replace(task.settings, steps=300), Ignoring())
    trial = tried(model, unseen(loaded.examples, 64, 256))
    best = loaded.scores(wrap_model(model.eval(), loaded.tokenizer)).best
    assert task.is_solved(trial.accuracy)
    assert best.score > task.scored > 5 * best.uniform
    assert best.layer == 1


def test_runs_repeat_without_a_symbol_twice_and_what_cannot_be_known_is_not_asked():
    draw = np.random.default_rng(0)
    table = induction.repeated(np.arange(4, 66), 50, draw)
    periods, sequences = table[:, 0], table[:, 1:]
    labels = induction.known(sequences, periods)
    for period, sequence, label in zip(periods, sequences, labels, strict=True):
        assert len(set(sequence[:period])) == period
        np.testing.assert_array_equal(sequence[period:], sequence[:-period])
        assert (label[: period + 1] == IGNORED).all()
        np.testing.assert_array_equal(label[period + 1 :], sequence[period + 1 :])


def test_what_is_written_backwards_and_sorted_is_right():
    for name, ordered in (("reverse", lambda one: one[::-1]), ("sorting", sorted)):
        table = TASKS[name].load(seed=0).examples.test
        for read, written in zip(table[:20]["input_ids"], table[:20]["labels"], strict=True):
            # The last of both is the end; numbers stand in their order in the vocabulary.
            assert written[:-1] == ordered(read[:-1])
            assert written[-1] == read[-1]


def test_forecasts_know_nothing_of_later_years():
    series, later = forecasting.daily()
    assert len(series) == 5_479
    np.testing.assert_allclose(series[:later].mean(), 0, atol=1e-4)
    np.testing.assert_allclose(series[:later].std(), 1, atol=1e-4)
    cut = forecasting.stretches(np.arange(100, dtype=np.float32), every=1)
    np.testing.assert_array_equal(cut["labels"], cut["vectors"] + 1)
    assert cut["labels"].max() == 99


def test_customers_take_their_own_brand_from_the_next_shelf_as_a_rule():
    goods = sessions.bought(2_000, np.random.default_rng(0))
    shelves, brands = goods // sessions.BRANDS, goods % sessions.BRANDS
    along = (shelves[:, 1:] - shelves[:, :-1]) % len(sessions.SHELVES) == 1
    # One in ten wanders, and may come to the next shelf all the same.
    assert along.mean() == pytest.approx(0.9 + 0.1 / 8, abs=0.01)
    first, again = brands[:, 0], shelves == shelves[:, :1]
    again[:, 0] = False
    same = (brands == first[:, None])[again].mean()
    stays = 0.95 + 0.05 / 8
    assert same == pytest.approx(stays**2 + (1 - stays) ** 2 / 7, abs=0.02)


def test_a_name_that_is_no_task_is_said_with_one_that_is_near():
    with pytest.raises(InputError, match=r"no task 'indction'. Did you mean induction\?"):
        find_task("indction")
    with pytest.raises(InputError, match="Choose one of"):
        find_task("zzz")
