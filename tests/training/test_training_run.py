"""A training as it is kept: every checkpoint, every figure, and what comes after a stop."""

from __future__ import annotations

import dataclasses
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

import viz
from viz.errors import GoneError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import character_tokenizer
from viz.models.work_control import WorkControl
from viz.training.task_examples import Examples
from viz.training.training_folder import About, RunFolder
from viz.training.training_run import run
from viz.training.training_settings import Settings

DIGITS = "01234567"
TOKENIZER = character_tokenizer([DIGITS])
OPTIONS = TransformerOptions(
    vocab_size=len(TOKENIZER), d_model=16, layers=1, heads=2, max_tokens=16
)
SETTINGS = Settings(steps=60, keep_every=20, learning_rate=1e-2)
ABOUT = About(task="counting", settings=SETTINGS, options=OPTIONS)


def collate(rows):
    ids = torch.stack(list(rows))
    return {"input_ids": ids, "labels": ids}


def counting() -> Examples:
    """Digits that count on from where they begin."""
    texts = [DIGITS[at:] + DIGITS[:at] for at in range(8)] * 20
    ids = list(torch.tensor(TOKENIZER(texts)["input_ids"]))
    return Examples(ids[:128], ids[128:], collate)


def begun(root: Path, **changed) -> RunFolder:
    settings = dataclasses.replace(SETTINGS, **changed)
    return RunFolder.create(dataclasses.replace(ABOUT, settings=settings), root)


def scalars(folder: RunFolder) -> Iterator[tuple[str, int, float]]:
    """Read TensorBoard's records: a length, its checksum, an event, its checksum."""
    for path in sorted((folder.path / "tensorboard").iterdir()):
        content = path.read_bytes()
        at = 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            for value in event.summary.value:
                yield value.tag, event.step, value.simple_value
            at += 16 + length


def test_every_checkpoint_opens_like_any_model(tmp_path):
    folder = begun(tmp_path)
    assert run(folder, counting(), TOKENIZER, WorkControl()).state == "done"
    assert folder.steps() == [0, 20, 40, 60]
    patterns = []
    for step in folder.steps():
        model = viz.load_model(str(folder.checkpoint(step)))
        trace = viz.capture(model, DIGITS)
        stack = trace.stacks["self"]
        assert stack.queries.texts[:3] == ("0", "1", "2")
        assert stack.provenance(0).tier in ("registry", "hooks")
        patterns.append(stack.weights(0, 0))
    assert not torch.allclose(patterns[0], patterns[-1], atol=0.01), "it has learnt something"


def test_the_logs_hold_every_step_and_tensorboard_the_same(tmp_path):
    folder = begun(tmp_path)
    run(folder, counting(), TOKENIZER, WorkControl())
    log, trials = folder.notes("log"), folder.notes("trials")
    assert [line["step"] for line in log] == list(range(1, 61))
    assert [line["step"] for line in trials] == [0, 20, 40, 60]
    assert trials[-1]["accuracy"] > 0.95
    told = list(scalars(folder))
    losses = {step: value for tag, step, value in told if tag == "train/loss"}
    assert losses == pytest.approx({line["step"]: line["loss"] for line in log}, rel=1e-6)
    tested = {step: value for tag, step, value in told if tag == "test/accuracy"}
    assert tested == pytest.approx({line["step"]: line["accuracy"] for line in trials}, rel=1e-6)


def test_a_training_that_was_stopped_goes_on_where_it_stopped(tmp_path):
    whole = begun(tmp_path)
    run(whole, counting(), TOKENIZER, WorkControl())
    folder, control = begun(tmp_path), WorkControl()
    ended = run(
        folder,
        counting(),
        TOKENIZER,
        control,
        seen=lambda moment: control.stop() if moment.step == 33 else None,
    )
    assert ended.state == "cancelled"
    assert folder.latest() == 33, "what was learnt until then is kept"
    assert [line["step"] for line in folder.notes("log")] == list(range(1, 34))
    # Another process knows nothing but the folder.
    again = RunFolder.open(folder.name, tmp_path)
    assert run(again, counting(), TOKENIZER, WorkControl()).state == "done"
    assert folder.steps() == [0, 20, 33, 40, 60]
    ours, theirs = again.notes("log"), whole.notes("log")
    assert [line["step"] for line in ours] == list(range(1, 61))
    assert [line["loss"] for line in ours] == pytest.approx(
        [line["loss"] for line in theirs], rel=1e-4
    )
    assert len(list(folder.path.glob("memory-*"))) == 1


def test_a_paused_training_waits_and_goes_on(tmp_path):
    folder, control, steps = begun(tmp_path), WorkControl(), []

    def seen(moment):
        steps.append(moment.step)
        if moment.step == 25:
            control.pause()

    thread = threading.Thread(target=lambda: run(folder, counting(), TOKENIZER, control, seen=seen))
    thread.start()
    wait_for(lambda: folder.about().state == "paused")
    time.sleep(0.2)
    assert steps[-1] == 25
    control.go_on()
    thread.join(60)
    assert folder.about().state == "done"
    assert steps == list(range(1, 61))


def test_a_paused_training_can_be_stopped(tmp_path):
    folder, control = begun(tmp_path), WorkControl()
    control.pause()
    thread = threading.Thread(target=run, args=(folder, counting(), TOKENIZER, control))
    thread.start()
    wait_for(lambda: folder.about().state == "paused")
    control.stop()
    thread.join(60)
    assert folder.about().state == "cancelled"


def test_one_that_stays_paused_is_stopped_and_can_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("viz.training.training_queue.LONGEST_PAUSE", 0.1)
    folder, control = begun(tmp_path), WorkControl()
    ended = run(
        folder,
        counting(),
        TOKENIZER,
        control,
        seen=lambda moment: control.pause() if moment.step == 25 else None,
    )
    assert ended.state == "cancelled"
    assert folder.latest() == 25
    assert run(folder, counting(), TOKENIZER, WorkControl()).state == "done"


def test_one_that_diverges_says_where_and_keeps_what_came_before(tmp_path):
    folder = begun(tmp_path, learning_rate=100.0, steps=400, clip=1e9)
    ended = run(folder, counting(), TOKENIZER, WorkControl())
    assert ended.state == "failed"
    assert "diverged" in ended.message
    assert "step 20" in ended.message
    assert folder.steps()[0] == 0
    viz.load_model(str(folder.checkpoint(folder.steps()[-1])))


def test_half_a_line_of_a_log_is_left_out(tmp_path):
    folder = begun(tmp_path)
    folder.note("log", step=1, loss=2.0, learning_rate=0.1)
    with (folder.path / "log.jsonl").open("a") as lines:
        lines.write('{"step": 2, "lo')
    assert folder.notes("log") == [{"step": 1, "loss": 2.0, "learning_rate": 0.1}]


@pytest.mark.parametrize("name", ["", "..", "../../etc", "0" * 24, "a/b", "\0"])
def test_a_name_that_is_none_opens_nothing(tmp_path, name):
    begun(tmp_path)
    with pytest.raises(GoneError, match="no training of that name"):
        RunFolder.open(name, tmp_path)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
