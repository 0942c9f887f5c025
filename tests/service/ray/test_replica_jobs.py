"""Work that somebody far away waits for: how far it is, what came of it, and that it ends with whoever asked."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from viz.errors import CancelledError, GoneError, InputError
from viz.service.ray import replica_jobs
from viz.service.ray.replica_jobs import Done, Failed, Going, Jobs


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(replica_jobs, "ANSWER_SECONDS", 0.05)


async def to_the_end(jobs, answer):
    while isinstance(answer, Going):
        answer = await jobs.wait(answer.job)
    return answer


def until_stopped(tell, stopped):
    try:
        while True:
            tell("forward", 0.5)
            time.sleep(0.005)
    except CancelledError:
        stopped.set()
        raise


def test_what_takes_a_moment_is_answered_at_once():
    assert asyncio.run(Jobs().begin(lambda _tell: 7)) == Done(7)


def test_work_that_goes_on_says_how_far_it_is():
    go = threading.Event()

    def work(tell):
        tell("forward", 0.25)
        go.wait(20)
        return "done"

    async def asked():
        jobs = Jobs()
        answer = await jobs.begin(work)
        assert isinstance(answer, Going)
        assert answer.told == ("forward", 0.25)
        assert jobs.going == 1
        go.set()
        # What was told once is told again: an answer can be lost on its way.
        return await to_the_end(jobs, answer), await jobs.wait(answer.job)

    assert asyncio.run(asked()) == (Done("done"), Done("done"))


def test_an_error_for_a_users_reason_is_passed_on_and_a_defect_with_its_trace():
    def refused(_tell):
        raise InputError("It is empty.", "Give a text.")

    failed = asyncio.run(Jobs().begin(refused))
    assert str(failed.error) == "It is empty. Give a text."
    failed = asyncio.run(Jobs().begin(lambda _tell: 1 / 0))
    assert isinstance(failed, Failed)
    assert failed.error is None
    assert "ZeroDivisionError" in failed.trace


def test_cancelled_work_stops_where_it_next_tells_how_far_it_is():
    stopped = threading.Event()

    async def asked():
        jobs = Jobs()
        answer = await jobs.begin(lambda tell: until_stopped(tell, stopped))
        jobs.cancel(answer.job)
        return await jobs.wait(answer.job)

    assert isinstance(asyncio.run(asked()).error, GoneError)
    assert stopped.wait(20)


def test_work_that_nobody_asks_after_stops_by_itself(monkeypatch):
    monkeypatch.setattr(replica_jobs, "UNASKED_SECONDS", 0.1)
    stopped = threading.Event()
    asyncio.run(Jobs().begin(lambda tell: until_stopped(tell, stopped)))
    assert stopped.wait(20)


def test_work_that_was_cancelled_before_its_turn_is_not_begun():
    begun, go = [], threading.Event()

    async def asked():
        jobs = Jobs(threads=1)
        await jobs.begin(lambda _tell: go.wait(20))
        waits = await jobs.begin(lambda _tell: begun.append(1))
        jobs.cancel(waits.job)
        go.set()
        return await to_the_end(jobs, await jobs.begin(lambda _tell: "next"))

    assert asyncio.run(asked()) == Done("next")
    assert not begun
