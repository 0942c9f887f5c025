"""A crew replaces who is lost and gives up where that does not help, on a Ray that is played by the test."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray
import torch

from viz.errors import BusyError, CancelledError, LoupeError
from viz.models.work_control import WorkControl
from viz.survey.ray import ray_crew
from viz.survey.ray.on_ray import _measure
from viz.survey.ray.ray_crew import Crew
from viz.survey.ray.ray_places import Place
from viz.survey.ray.ray_worker import ModelSource, Refusal
from viz.survey.shard_file import sums_bytes
from viz.survey.sums.survey_sums import SurveySums
from viz.survey.texts.windows import Window

LOST = ray.exceptions.ActorDiedError()
SOURCE = ModelSource("demo", "demo", None, torch.float32, "", {})
TEXT = "The cat sat on the mat because it was tired."


class Played:
    """Stands for the module: everything is done at once, and ends as a list of what happens says.

    Args:
        loading: what each loading ends with, None where it works; the last one again and again.
        measuring: the same of each measuring.
    """

    exceptions = ray.exceptions

    def __init__(self, *, loading=(None,), measuring=(None,), starts=True):
        self.starts = starts
        self.loading, self.measuring = list(loading), list(measuring)
        self.measured = []
        self.killed = 0

    def remote(self, _kind):
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._worker))

    def wait(self, references, *, num_returns=1, timeout=None):
        return (references[:1] if self.starts else []), []

    def get(self, reference):
        if isinstance(reference.is_, Exception):
            raise reference.is_
        return reference.is_

    def kill(self, _worker):
        self.killed += 1

    def available_resources(self):
        return {"CPU": 0.0}

    cluster_resources = available_resources

    def _worker(self, *_, **__):
        return SimpleNamespace(
            load=SimpleNamespace(remote=lambda: _Reference(_next(self.loading))),
            measure=SimpleNamespace(remote=lambda windows: _Reference(self._measure(windows))),
            done=SimpleNamespace(remote=lambda: _Reference((-1, 0))),
            stop=SimpleNamespace(remote=lambda: None),
        )

    def _measure(self, windows):
        self.measured.append(windows[0].number)
        return _next(self.measuring) or sums_bytes(SurveySums(windows=len(windows)))


class _Reference:
    def __init__(self, is_):
        self.is_ = is_


def _next(outcomes):
    return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]


def batches(count):
    for number in range(count):
        yield [Window(2 * number + one, TEXT, "text", 0, 12) for one in range(2)]


def crew_of(played):
    places = [Place(f"{number + 1:056x}", f"host{number}", "cpu", 1.0) for number in range(2)]
    return Crew(played, places, SOURCE, seed=0)


def measured(played, count=4, *, control=None, seen=lambda _: None):
    crew = crew_of(played)
    yield from _measure(crew, batches(count), seen, control or WorkControl())


def test_what_a_lost_worker_had_is_measured_once_by_another():
    played, told = Played(measuring=[None, LOST, None]), []
    found = list(measured(played, seen=told.append))
    assert sorted(one.shard.first for one in found) == [0, 2, 4, 6]
    assert sorted(one.number for one in told) == list(range(8))
    assert len(played.measured) == 5
    assert played.killed == 1


def test_windows_that_end_their_worker_each_time_are_named():
    played = Played(measuring=[None, LOST])
    with pytest.raises(LoupeError, match=r"Windows . to . ended their worker 3 times: The actor"):
        list(measured(played))


def test_a_model_that_ends_its_worker_each_time_is_named():
    with pytest.raises(LoupeError, match=r"host\d ended 3 times while it loaded demo"):
        list(measured(Played(loading=[LOST])))


def test_what_a_worker_refuses_is_said_here():
    refusal = Refusal("The worker on host1 has another version of demo.", "Bring the same files.")
    with pytest.raises(LoupeError, match=r"on host1 has another version of demo. Bring the same"):
        list(measured(Played(loading=[refusal])))


def test_a_cluster_that_starts_no_worker_is_said_to_be_busy(monkeypatch):
    monkeypatch.setattr(ray_crew, "START_SECONDS", 0.0)
    with pytest.raises(BusyError, match="started no worker within 0 seconds; 0 of 0 CPUs"):
        list(measured(Played(starts=False)))


def test_batches_are_read_no_faster_than_they_are_measured():
    read = []

    def endless():
        for batch in batches(1000):
            read.append(batch)
            yield batch

    crew = crew_of(Played())
    found = _measure(crew, endless(), lambda _: None, WorkControl())
    for arrived in range(1, 6):
        next(found)
        assert len(read) <= arrived + 2 * 2


def test_a_survey_that_is_stopped_says_that_windows_are_missing():
    control = WorkControl()
    found = measured(Played(), control=control)
    kept = [next(found)]
    control.stop()
    with pytest.raises(CancelledError):
        kept.extend(found)
    assert len(kept) < 4
