"""Who has a turn when, and what those who wait are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from viz.errors import BusyError
from viz.service import pass_queue
from viz.service.pass_queue import WAIT, PassQueue, before_of, share_of

LONGEST = 20.0


class Given(BaseException):
    """What stops a script of Streamlit's: no Exception."""


class Runs:
    """Runs of users in threads, each of which ends when it is told to."""

    def __init__(self, queue: PassQueue) -> None:
        self.queue = queue
        self.begun: list[str] = []
        self.told: dict[str, list[int]] = {}
        self.failed: dict[str, BaseException] = {}
        self._ends: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self.gone: set[str] = set()

    def start(self, user: str, name: str | None = None, needs: str | None = None) -> None:
        """Let a user ask for a turn, and see it wait or begin."""
        name = name or user
        self._ends[name], self.told[name] = threading.Event(), []
        thread = threading.Thread(target=self._run, args=(user, name, needs))
        self._threads.append(thread)
        thread.start()
        until(lambda: self.told[name] or name in self.begun or name in self.failed)

    def end(self, name: str) -> None:
        self._ends[name].set()

    def end_all(self) -> None:
        for one in self._ends.values():
            one.set()
        for thread in self._threads:
            thread.join(LONGEST)
            assert not thread.is_alive()

    def _run(self, user: str, name: str, needs: str | None) -> None:
        def progress(phase: str, share: float) -> None:
            assert phase == WAIT
            self.told[name].append(before_of(share))
            if name in self.gone:
                raise Given

        try:
            with self.queue.turn(user, progress, needs):
                self.begun.append(name)
                assert self._ends[name].wait(LONGEST)
        except (Given, BusyError) as error:
            self.failed[name] = error


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + LONGEST
    while not is_so():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.002)


@contextmanager
def runs_on(queue: PassQueue):
    runs = Runs(queue)
    try:
        yield runs
    finally:
        runs.end_all()
        assert len(queue) == 0
        assert queue.before("whoever") == 0


@pytest.fixture(autouse=True)
def told_often(monkeypatch):
    monkeypatch.setattr(pass_queue, "TOLD_SECONDS", 0.01)


def test_what_is_told_says_how_many_are_before():
    assert [before_of(share_of(number)) for number in range(500)] == list(range(500))


def test_users_take_turns_and_each_is_served_in_order():
    with runs_on(PassQueue(1)) as runs:
        for user, name in (
            ("ann", "ann 1"),
            ("ann", "ann 2"),
            ("ann", "ann 3"),
            ("bob", "bob 1"),
            ("cem", "cem 1"),
            ("bob", "bob 2"),
        ):
            runs.start(user, name)
        assert [runs.told[name][-1] for name in ("ann 2", "bob 1", "cem 1")] == [1, 2, 3]
        assert (runs.told["bob 2"][-1], runs.told["ann 3"][-1]) == (5, 4)
        assert runs.queue.before("dan") == 4, "before the second of anybody"
        order = ["ann 1", "ann 2", "bob 1", "cem 1", "ann 3", "bob 2"]
        for at, name in enumerate(order):
            until(lambda at=at: len(runs.begun) > at)
            runs.end(name)
        until(lambda: runs.begun == order)


def test_those_who_wait_hear_that_fewer_are_before():
    with runs_on(PassQueue(1)) as runs:
        for user in ("ann", "bob", "cem", "dan"):
            runs.start(user)
        assert runs.told["dan"][-1] == 3
        runs.end("ann")
        until(lambda: runs.told["dan"][-1] == 2)
        runs.end("bob")
        until(lambda: runs.told["dan"][-1] == 1)
        assert runs.told["dan"] == sorted(runs.told["dan"], reverse=True)
        assert "dan" not in runs.begun


def test_who_gives_up_leaves_the_queue_and_a_turn_that_is_ended_by_an_error_is_free():
    queue = PassQueue(1)
    with runs_on(queue) as runs:
        for user in ("ann", "bob", "cem"):
            runs.start(user)
        runs.gone.add("bob")
        until(lambda: isinstance(runs.failed.get("bob"), Given))
        until(lambda: runs.told["cem"][-1] == 1)
        runs.end("ann")
        until(lambda: runs.begun == ["ann", "cem"])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), queue.turn("ann", lambda *_: None):
            raise ZeroDivisionError


def test_a_thread_that_has_a_turn_does_not_wait_for_another():
    queue = PassQueue(1)
    with queue.turn("ann", lambda *_: None), queue.turn("ann", lambda *_: None, "model"):
        assert len(queue) == 0
    with runs_on(queue) as runs:
        runs.start("bob")
        assert runs.begun == ["bob"], "the inner one freed nothing twice, and the outer one its own"


def test_a_user_has_one_turn_at_a_time_and_so_has_a_model():
    with runs_on(PassQueue(2)) as runs:
        runs.start("ann", "ann 1", needs="long")
        runs.start("ann", "ann 2", needs="short")
        runs.start("bob", needs="long")
        runs.start("cem", needs="short")
        assert runs.begun == ["ann 1", "cem"], "who could not go on is passed over"
        runs.end("cem")
        runs.start("dan", needs="short")
        until(lambda: runs.begun[2:] == ["dan"])
        runs.end("ann 1")
        until(lambda: runs.begun[3:] == ["bob"])


def test_one_more_than_may_wait_is_refused_in_words():
    queue = PassQueue(1, waiting_each=2, waiting=3)
    with runs_on(queue) as runs:
        for name in ("ann 1", "ann 2", "ann 3", "ann 4"):
            runs.start("ann", name)
        assert "2 runs are waiting in this browser already" in str(runs.failed["ann 4"])
        runs.start("bob")
        runs.start("cem")
        assert "3 runs are waiting already" in str(runs.failed["cem"])
        assert "cem" not in runs.begun
        assert len(queue) == 3


def test_nobody_is_before_a_run_whose_model_nobody_uses_though_others_wait_for_theirs():
    queue, go, waits = PassQueue(2), threading.Event(), threading.Event()

    def run(user: str) -> None:
        with queue.turn(user, lambda _phase, _share: waits.set(), "model"):
            go.wait(20)

    threads = [threading.Thread(target=run, args=(user,)) for user in ("first", "second")]
    for thread in threads:
        thread.start()
    assert waits.wait(20)
    assert queue.before("third", "other model") == 0
    assert queue.before("third", "model") == 2
    go.set()
    for thread in threads:
        thread.join(20)
