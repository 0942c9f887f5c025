"""Seconds left, by a clock that is set by hand."""

from __future__ import annotations

import pytest

from viz.models.time_left import SecondsLeft, ShareDone


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_quarter_of_the_pass_foresees_the_rest_and_the_drawing(clock):
    left = SecondsLeft(lambda: 1.5, clock)
    assert left("load", 0.0) is None
    assert left("forward", 0.0) is None
    clock.now += 5
    assert left("forward", 0.25) == pytest.approx(15 + 1.5 * 20)


def test_drawing_goes_by_its_own_speed(clock):
    left = SecondsLeft(lambda: 100.0, clock)
    left("forward", 0.5)
    clock.now += 50
    left("draw", 0.0)
    clock.now += 4
    assert left("draw", 0.8) == pytest.approx(1.0)
    assert left("draw", 1.0) == 0.0


def test_a_run_that_goes_on_counts_only_what_is_done_now(clock):
    left = SecondsLeft(lambda: 0.0, clock)
    left("draw", 0.5)
    clock.now += 10
    assert left("draw", 0.75) == pytest.approx(10.0)


def test_nothing_is_said_before_anything_is_known(clock):
    left = SecondsLeft(lambda: 1.0, clock)
    left("forward", 0.0)
    clock.now += 0.5
    assert left("forward", 0.5) is None
    clock.now += 9
    assert left("forward", 0.0) is None
    assert left("tokenise", 0.9) is None


def test_the_share_done_and_the_seconds_left_are_of_one_estimate(clock):
    left, done = SecondsLeft(lambda: 1.0, clock), ShareDone(clock)
    assert done(0.4, left("forward", 0.0)) == 0.0
    for second in range(1, 11):
        clock.now += 1
        seconds = left("forward", second / 10)
        assert done(0.4 + 0.04 * second, seconds) == pytest.approx(second / (second + seconds))
    assert done(0.8, left("draw", 0.0)) == pytest.approx(0.5), "the drawing takes as long again"
    clock.now += 5
    assert done(0.9, left("draw", 0.5)) == pytest.approx(0.75)


def test_the_share_done_is_small_while_nobody_can_tell_and_never_goes_back(clock):
    done = ShareDone(clock)
    clock.now += 1
    assert done(0.4, None) == pytest.approx(1 / 11)
    clock.now += 1
    assert done(0.4, 98.0) == pytest.approx(1 / 11)
    assert done(0.4, 0.0) == 1.0
