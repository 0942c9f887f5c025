"""Trainings that outlive their page, wait for their turn, and are found again."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.training.test_training_run import wait_for
from viz.errors import BudgetError, BusyError, DivergedError, GoneError, StorageError
from viz.service import disk_space as room
from viz.service import kept_work
from viz.service import training_jobs as trainings
from viz.service.checkpoint_cache import Checkpoints
from viz.service.training_jobs import AT_ONCE, Trainings
from viz.training.folder_lock import HOLDER, LOCK, held
from viz.training.tasks import TASKS
from viz.training.training_folder import About
from viz.training.training_settings import Settings

SETTINGS = Settings(steps=12, keep_every=6, batch_size=8, test_examples=16)
ABOUT = About("induction", SETTINGS, TASKS["induction"].options)
LONG = dataclasses.replace(
    ABOUT, settings=dataclasses.replace(SETTINGS, steps=100_000, keep_every=10_000)
)
ABOUT_OFTEN = dataclasses.replace(
    ABOUT, settings=dataclasses.replace(SETTINGS, steps=100_000, keep_every=100)
)


def test_a_training_runs_to_its_end_and_is_found_by_its_name(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "done")
    assert here.standing(name).step == SETTINGS.steps
    # The app was started anew meanwhile.
    assert Trainings(tmp_path).about(name).state == "done"


def test_no_more_than_a_few_work_at_a_time_and_one_that_is_paused_gives_way(tmp_path):
    here = Trainings(tmp_path)
    names = [here.start(LONG) for _ in range(AT_ONCE + 1)]
    first, last = names[0], names[-1]
    wait_for(lambda: all(here.about(name).state == "running" for name in names[:-1]))
    assert here.about(last).state == "waiting"
    here.pause(first)
    wait_for(lambda: here.about(first).state == "paused")
    wait_for(lambda: here.about(last).state == "running")
    here.stop(names[1])
    wait_for(lambda: here.about(names[1]).state == "cancelled")
    step = here.standing(first).step
    here.go_on(first)
    wait_for(lambda: here.standing(first).step > step)
    for name in names:
        here.stop(name)
    wait_for(lambda: not any(here.works(name) for name in names))


def test_one_that_goes_on_waits_for_its_turn_like_others_and_can_be_stopped_meanwhile(tmp_path):
    here = Trainings(tmp_path)
    first = here.start(LONG)
    wait_for(lambda: here.about(first).state == "running")
    here.pause(first)
    wait_for(lambda: here.about(first).state == "paused")
    others = [here.start(LONG) for _ in range(AT_ONCE)]
    wait_for(lambda: all(here.about(name).state == "running" for name in others))
    here.go_on(first)
    wait_for(lambda: here.about(first).state == "waiting")
    assert here.standing(first).others == AT_ONCE
    here.stop(first)
    wait_for(lambda: here.about(first).state == "cancelled")
    for name in others:
        here.stop(name)
    wait_for(lambda: not any(here.works(name) for name in others))
    again = here.start(ABOUT)
    wait_for(lambda: here.about(again).state == "done")


def test_every_checkpoint_has_its_score_and_the_baseline_is_of_the_same_examples(tmp_path):
    here = Trainings(tmp_path)
    task = TASKS["forecasting"]
    settings = dataclasses.replace(task.settings, steps=8, keep_every=4, test_examples=6)
    name = here.start(About(task.name, settings, task.options))
    wait_for(lambda: here.about(name).state == "done")
    folder = here.folder(name)
    trials = folder.notes("trials")
    assert [line["step"] for line in trials] == [0, 4, 8]
    fresh = Checkpoints(here.examples)
    for line in trials:
        best = fresh.look(folder, int(line["step"])).scores.best
        assert line["score"] == pytest.approx(best.score, abs=1e-6)
        assert line["uniform"] == pytest.approx(best.uniform, abs=1e-6)
    loaded = here.examples.of(folder)
    told = torch.stack(list(loaded.examples.test[:6]["labels"])).numpy()[..., 0]
    known = torch.stack(list(loaded.examples.test[:6]["vectors"])).numpy()[..., 0]
    # Day 7 of a stretch is told by day 0, which is also what was known first.
    errors = [
        (row[day] - (known[i, 0] if day == 6 else row[day - 7])) ** 2
        for i, row in enumerate(told)
        for day in range(6, len(row))
    ]
    assert folder.baseline().value == pytest.approx(float(np.mean(errors)), rel=1e-5)


def test_a_training_leaves_other_threads_their_processors(tmp_path):
    before = torch.get_num_threads()
    here = Trainings(tmp_path)
    name = here.start(LONG)
    wait_for(lambda: here.standing(name).step > 2)
    assert torch.get_num_threads() == before
    here.stop(name)
    wait_for(lambda: not here.works(name))


def test_a_full_disk_is_said_before_work_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LEFT_FREE", 10**18)
    with pytest.raises(BudgetError, match=r"the disk has room for 0.0 GB. Keep a checkpoint less"):
        Trainings(tmp_path).start(ABOUT)
    assert not list(tmp_path.iterdir())


def test_one_that_waits_can_be_stopped(tmp_path):
    here = Trainings(tmp_path)
    names = [here.start(LONG) for _ in range(AT_ONCE + 1)]
    wait_for(lambda: all(here.about(name).state == "running" for name in names[:-1]))
    here.stop(names[-1])
    wait_for(lambda: here.about(names[-1]).state == "cancelled")
    assert here.folder(names[-1]).steps() == []
    for name in names:
        here.stop(name)
    wait_for(lambda: not any(here.works(name) for name in names))


def test_one_that_the_apps_end_cut_short_goes_on_from_its_checkpoint(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: not here.works(name))
    folder = here.folder(name)
    assert folder.about().state == "done"
    folder.change(state="running")  # as the end of a process leaves it
    later = Trainings(tmp_path)
    assert later.about(name).state == "cancelled"
    later.go_on(name)
    wait_for(lambda: later.about(name).state == "done")


def test_one_that_another_process_works_on_is_left_to_it(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: not here.works(name))
    folder = here.folder(name)
    folder.change(state="running")
    # As `held` does, in a process that need not import torch for it.
    (folder.path / HOLDER).write_text("terminal")
    holds = f"from filelock import FileLock; import time; lock = FileLock({str(folder.path / LOCK)!r}); lock.acquire(); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert here.works_elsewhere(name)
        folder.note("log", step=99, loss=0.5, learning_rate=0.1)
        assert here.standing(name).step == 99, "what the other does, not what was done here"
        assert here.about(name).state == "running", "it is at work, though not here"
        with pytest.raises(trainings.BusyError, match=r"in a terminal, .* with Ctrl\+C"):
            here.go_on(name)
        other.kill()
    assert not here.works_elsewhere(name)
    assert here.about(name).state == "cancelled", "nobody is at work on it any more"
    here.go_on(name)
    wait_for(lambda: here.about(name).state == "done")


def test_what_a_user_can_mend_is_said_and_the_turn_given_back(tmp_path):
    here = Trainings(tmp_path)
    for _ in range(AT_ONCE + 1):
        name = here.start(ABOUT, "abc")
        wait_for(lambda name=name: here.about(name).state == "failed")
        assert "a text came with it. Leave the text out" in here.about(name).message
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "done")


def test_a_defect_is_said_to_be_one(tmp_path, caplog, monkeypatch):
    here = Trainings(tmp_path)
    monkeypatch.setattr(here.examples, "of", lambda _: 1 / 0)
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "failed")
    assert "defect" in here.about(name).message
    assert "ZeroDivisionError" in caplog.text


def test_checkpoints_beyond_the_disk_are_refused_before_work_starts(tmp_path):
    options = dataclasses.replace(ABOUT.options, d_model=2048, heads=16, layers=24)
    settings = dataclasses.replace(SETTINGS, keep_every=1)
    with pytest.raises(BudgetError, match=r"14 checkpoints of [\d,.]+ MB each would take"):
        Trainings(tmp_path).start(dataclasses.replace(ABOUT, options=options, settings=settings))
    assert not list(tmp_path.iterdir())


def test_too_many_are_put_off(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_work, "MOST_WAITING", 1)
    here = Trainings(tmp_path)
    name = here.start(LONG)
    with pytest.raises(trainings.BusyError, match="1 trainings are at work, paused, or wait for"):
        here.start(ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    here.stop(name)
    wait_for(lambda: not here.works(name))
    again = here.start(ABOUT)
    wait_for(lambda: here.about(again).state == "done")


def test_a_name_that_is_none_is_said(tmp_path):
    with pytest.raises(GoneError, match="no training of that name"):
        Trainings(tmp_path).about("0" * 24)


def test_room_on_the_disk_is_promised_once(tmp_path, monkeypatch):
    here = Trainings(tmp_path)
    needed = room.room_of(LONG)
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(room, "LEFT_FREE", free - 1.5 * needed)
    name = here.start(LONG)
    wait_for(lambda: here.standing(name).step > 2)
    with pytest.raises(BudgetError, match="the disk has room for"):
        here.start(LONG)
    here.stop(name)
    wait_for(lambda: not here.works(name))


def test_one_that_was_cut_short_says_up_to_where_it_is_kept(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(LONG)
    wait_for(lambda: here.folder(name).notes("log"))
    here.stop(name)
    wait_for(lambda: not here.works(name))
    folder = here.folder(name)
    stopped = here.standing(name)
    assert stopped.kept == stopped.step == folder.latest()
    # As the end of a process leaves it: steps were made, and no checkpoint of them.
    shutil.rmtree(folder.checkpoint(stopped.step))
    folder.change(state="running")
    cut = Trainings(tmp_path).standing(name)
    assert (cut.step, cut.kept) == (stopped.step, 0)


def test_one_whose_folder_cannot_be_written_to_is_shown_and_says_why_it_does_not_go_on(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: not here.works(name))
    folder = here.folder(name)
    folder.change(state="running")
    for made in ("work.lock", "run.json.part"):  # neither can be opened, by root neither
        (folder.path / made).unlink(missing_ok=True)
        (folder.path / made).mkdir()
    later = Trainings(tmp_path)
    assert later.about(name).state == "cancelled"
    assert not later.works_elsewhere(name)
    assert later.standing(name).kept == SETTINGS.steps
    with pytest.raises(StorageError, match=r"Nothing can be written to .* looked at as it is"):
        later.go_on(name)
    assert not later.works(name)


def test_a_folder_that_is_gone_while_it_is_worked_in_is_noted_and_no_defect(tmp_path, caplog):
    here = Trainings(tmp_path)
    name = here.start(ABOUT_OFTEN)
    wait_for(lambda: here.standing(name).step > 2)
    here.folder(name).path.rename(tmp_path / "gone")
    wait_for(lambda: not here.works(name))
    assert "cannot be noted" in caplog.text
    assert "Traceback" not in caplog.text
    with pytest.raises(GoneError):
        here.about(name)


def test_one_that_was_lost_does_not_go_on(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: not here.works(name))
    here.folder(name).change(state="failed", message="The loss is nan at step 9.", diverged=9)
    assert here.standing(name).step == 9, "one number, that of the message"
    with pytest.raises(DivergedError, match="The loss is nan at step 9"):
        here.go_on(name)


def test_one_is_thrown_away_unless_it_is_at_work_or_lies_elsewhere(tmp_path):
    root = tmp_path / "runs"
    here = Trainings(root)
    name = here.start(LONG)
    wait_for(lambda: here.standing(name).step > 2)
    with pytest.raises(BusyError, match="Stop it first"):
        here.delete(name)
    here.stop(name)
    wait_for(lambda: not here.works(name))
    with held(here.folder(name).path), pytest.raises(BusyError, match="at work elsewhere"):
        here.delete(name)
    outside = tmp_path / "outside"
    here.folder(name).path.rename(outside)
    (root / name).symlink_to(outside)
    with pytest.raises(GoneError, match="lies elsewhere"):
        here.delete(name)
    (root / name).unlink()
    outside.rename(root / name)
    here.delete(name)
    assert list(root.iterdir()) == []
    with pytest.raises(GoneError):
        here.delete("../outside")
