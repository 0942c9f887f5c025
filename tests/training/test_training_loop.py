"""Training a real small model on a real small task."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from viz.errors import CancelledError, ConfigError, DivergedError, StorageError
from viz.models.custom.model_folder import build_model
from viz.models.custom.model_options import TransformerOptions
from viz.training.evaluation import tried
from viz.training.task_examples import Examples, batches
from viz.training.task_examples import test_batches as unseen
from viz.training.training_loop import _Watch, train
from viz.training.training_settings import Settings

OPTIONS = TransformerOptions(vocab_size=8, d_model=16, layers=1, heads=2, max_tokens=16)
DROPPING = dataclasses.replace(OPTIONS, dropout=0.2)


def collate(rows):
    ids = torch.stack(list(rows))
    return {"input_ids": ids, "labels": ids}


def counting(seed: int) -> Examples:
    """Texts that count on from where they begin, of which every next token can be known."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 8, (160,), generator=generator)
    texts = (starts[:, None] + torch.arange(10)) % 8
    return Examples(list(texts[:128]), list(texts[128:]), collate)


class Kept:
    """Keeps what a training says; stops it once a checkpoint is kept, where that is wanted."""

    def __init__(self, folder: Path, stop_at: int | None = None) -> None:
        self.memory, self.stop_at = folder / "memory.safetensors", stop_at
        self.losses, self.trials = {}, {}

    def moved(self, moment):
        self.losses[moment.step] = moment.loss

    def keep(self, step, trial, remember):
        self.trials[step] = trial
        remember(self.memory)
        if step == self.stop_at:
            raise CancelledError("That is enough.")


def test_a_model_learns_to_count(tmp_path):
    model, kept = build_model(OPTIONS, seed=0), Kept(tmp_path)
    train(model, counting(0), Settings(steps=120, keep_every=50, learning_rate=1e-2), kept)
    assert sorted(kept.trials) == [0, 50, 100, 120]
    assert kept.trials[0].accuracy < 0.5
    assert kept.trials[120].accuracy == 1.0
    assert kept.trials[120].loss < 0.1 < kept.trials[0].loss
    assert sorted(kept.losses) == list(range(1, 121))


@pytest.mark.parametrize("options", [OPTIONS, DROPPING], ids=["plain", "dropout"])
def test_a_training_that_goes_on_is_as_one_that_never_stopped(options, tmp_path):
    settings = Settings(steps=40, keep_every=20, learning_rate=1e-2)
    whole, stopped = Kept(tmp_path), Kept(tmp_path, stop_at=20)
    train(build_model(options, seed=0), counting(0), settings, whole)
    model = build_model(options, seed=0)
    with pytest.raises(CancelledError):
        train(model, counting(0), settings, stopped)
    later = Kept(tmp_path)
    train(model, counting(0), settings, later, start=20, memory=stopped.memory)
    assert sorted(later.losses) == list(range(21, 41))
    for step, loss in later.losses.items():
        assert loss == pytest.approx(whole.losses[step], rel=1e-5)


@pytest.mark.parametrize("options", [OPTIONS, DROPPING], ids=["plain", "dropout"])
def test_the_same_seed_gives_the_same_training(options, tmp_path):
    settings = Settings(steps=15)
    runs = []
    for _ in range(2):
        kept = Kept(tmp_path)
        train(build_model(options, seed=3), counting(0), settings, kept)
        runs.append(kept.losses)
    assert runs[0] == runs[1]


def test_one_that_is_stopped_keeps_what_it_learnt_until_then(tmp_path):
    settings = Settings(steps=40, keep_every=20, learning_rate=1e-2)
    whole, stopped, later = Kept(tmp_path), Kept(tmp_path), Kept(tmp_path)
    train(build_model(OPTIONS, seed=0), counting(0), settings, whole)

    def stop(moment):
        stopped.losses[moment.step] = moment.loss
        if moment.step == 7:
            raise CancelledError("That is enough.")

    stopped.moved = stop
    model = build_model(OPTIONS, seed=0)
    with pytest.raises(CancelledError):
        train(model, counting(0), settings, stopped)
    assert sorted(stopped.trials) == [0, 7]
    train(model, counting(0), settings, later, start=7, memory=stopped.memory)
    assert sorted(later.losses) == list(range(8, 41))
    for step, loss in later.losses.items():
        assert loss == pytest.approx(whole.losses[step], rel=1e-5)


@pytest.mark.parametrize("start", [0, 1, 4, 5, 6, 13])
def test_batches_go_on_where_they_were(start):
    examples = counting(0)
    every = [
        one["input_ids"] for one, _ in zip(batches(examples, 30, seed=1), range(20), strict=False)
    ]
    rest = batches(examples, 30, seed=1, start=start)
    for expected in every[start:]:
        torch.testing.assert_close(next(rest)["input_ids"], expected)


def test_every_round_sees_every_example_once():
    examples = counting(0)
    taken = [
        one["input_ids"] for one, _ in zip(batches(examples, 32, seed=1), range(4), strict=False)
    ]
    seen = sorted(map(tuple, torch.cat(taken).tolist()))
    assert seen == sorted(tuple(one.tolist()) for one in examples.train)


def test_a_learning_rate_that_is_far_too_high_is_said_at_its_step(tmp_path):
    kept = Kept(tmp_path)
    settings = Settings(steps=300, learning_rate=30.0, keep_every=10, clip=1e9)
    with pytest.raises(
        DivergedError, match=r"step \d+: the training has diverged\. Choose a lower"
    ) as told:
        train(build_model(OPTIONS, seed=0), counting(0), settings, kept)
    assert max(kept.losses) == told.value.step - 1
    assert kept.trials, "what was kept before it is there"


def test_one_that_goes_on_is_measured_against_its_first_loss(tmp_path):
    """After a pause the first batch may be a lucky one, and those after it are not."""
    watch = _Watch(Settings(), began=3.0)
    for step, loss in enumerate([1e-4] + [0.02] * 60, 100):
        watch.require_falling(step, loss)
    for step in range(200, 214):
        watch.require_falling(step, 12.0)
    with pytest.raises(DivergedError, match=r"has grown from 3 to 9.* by step 214"):
        watch.require_falling(214, 12.0)


def test_a_loss_that_is_no_number_is_said_at_its_step(tmp_path):
    model = build_model(OPTIONS, seed=0)
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("nan"))
    with pytest.raises(DivergedError, match="The loss is nan at step 1"):
        train(model, counting(0), Settings(steps=30), Kept(tmp_path))


def test_trying_a_model_leaves_it_as_it_was():
    model = build_model(OPTIONS, seed=0).train()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    trial = tried(model, batches_of_tests())
    assert model.training
    for name, one in model.state_dict().items():
        torch.testing.assert_close(one, before[name], rtol=0, atol=0)
    assert 0 <= trial.accuracy <= 1


def batches_of_tests():
    return unseen(counting(0), 16, 32)


def test_memory_of_another_model_is_refused(tmp_path):
    kept = Kept(tmp_path, stop_at=20)
    settings = Settings(steps=40, keep_every=20)
    with pytest.raises(CancelledError):
        train(build_model(OPTIONS, seed=0), counting(0), settings, kept)
    other = build_model(dataclasses.replace(OPTIONS, layers=2), seed=0)
    with pytest.raises(StorageError, match="belongs to another model"):
        train(other, counting(0), settings, kept, start=20, memory=kept.memory)
    kept.memory.write_bytes(b"nothing")
    with pytest.raises(StorageError, match="cannot be read"):
        train(other, counting(0), settings, kept, start=20, memory=kept.memory)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"batch_size": -1}, {"learning_rate": 0.0}, {"warmup": 1.5}, {"seed": -1}],
)
def test_settings_out_of_range_are_said(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Settings(**wrong)
