"""Trainings that outlive their page, wait for their turn, and are found again."""

from __future__ import annotations

import dataclasses

import pytest

from tests.training.test_run import wait_for
from viz.errors import BudgetError, GoneError
from viz.service import trainings
from viz.service.trainings import AT_ONCE, Trainings
from viz.training.folder import About
from viz.training.settings import Settings
from viz.training.tasks import TASKS

SETTINGS = Settings(steps=12, keep_every=6, batch_size=8, test_examples=16)
ABOUT = About("induction", SETTINGS, TASKS["induction"].options)
LONG = dataclasses.replace(
    ABOUT, settings=dataclasses.replace(SETTINGS, steps=100_000, keep_every=10_000)
)


def test_a_training_runs_to_its_end_and_is_found_by_its_name(tmp_path):
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "done")
    assert here.moment(name).step == SETTINGS.steps
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
    step = here.moment(first).step
    here.go_on(first)
    wait_for(lambda: here.moment(first).step > step)
    for name in names:
        here.stop(name)
    wait_for(lambda: not any(here.works(name) for name in names))


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
    wait_for(lambda: here.about(name).state == "done")
    folder = here.folder(name)
    folder.change(state="running")  # as the end of a process leaves it
    later = Trainings(tmp_path)
    assert later.about(name).state == "cancelled"
    later.go_on(name)
    wait_for(lambda: later.about(name).state == "done")


def test_what_a_user_can_mend_is_said_and_the_turn_given_back(tmp_path):
    here = Trainings(tmp_path)
    for _ in range(AT_ONCE + 1):
        name = here.start(ABOUT, "abc")
        wait_for(lambda name=name: here.about(name).state == "failed")
        assert "a text came with it. Leave the text out" in here.about(name).message
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "done")


def test_a_defect_is_said_to_be_one(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(trainings, "loaded_for", lambda _: 1 / 0)
    here = Trainings(tmp_path)
    name = here.start(ABOUT)
    wait_for(lambda: here.about(name).state == "failed")
    assert "defect" in here.about(name).message
    assert "ZeroDivisionError" in caplog.text


def test_checkpoints_beyond_the_disk_are_refused_before_work_starts(tmp_path):
    options = dataclasses.replace(ABOUT.options, d_model=2048, heads=16, layers=24)
    settings = dataclasses.replace(SETTINGS, keep_every=1)
    with pytest.raises(BudgetError, match=r"14 checkpoints of [\d,]+ MB each would take"):
        Trainings(tmp_path).start(dataclasses.replace(ABOUT, options=options, settings=settings))
    assert not list(tmp_path.iterdir())


def test_too_many_are_put_off(tmp_path, monkeypatch):
    monkeypatch.setattr(trainings, "MOST_WAITING", 0)
    here = Trainings(tmp_path)
    with pytest.raises(trainings.BusyError, match="wait for their turn"):
        here.start(ABOUT)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_none_is_said(tmp_path):
    with pytest.raises(GoneError, match="no training of that name"):
        Trainings(tmp_path).about("0" * 24)
