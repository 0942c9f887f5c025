"""A turn among trainings: only so many work at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from viz.models.work_control import WorkControl
from viz.training.training_folder import State

# How often one that waits looks whether it is still to wait, in seconds.
LOOK_AFTER = 0.2

# A training that stays paused keeps its memory; after so many seconds it is stopped, and can still go on.
LONGEST_PAUSE = 3600.0


class Turn:
    """One training's turn; taken and given back any number of times.

    Args:
        turns: those that there are for all.
    """

    def __init__(self, turns: threading.Semaphore) -> None:
        self._turns = turns
        self._taken = False

    @property
    def is_taken(self) -> bool:
        """Whether this training may work."""
        return self._taken

    def take(self, given_up: Callable[[], bool]) -> bool:
        """Wait for a turn until one is free or this one gives up; return whether it has one."""
        while not self._taken and not given_up():
            self._taken = self._turns.acquire(timeout=LOOK_AFTER)
        return self._taken

    def give_back(self) -> None:
        """Let another have it; nothing happens where none was taken."""
        if self._taken:
            self._taken = False
            self._turns.release()


def wait_to_go_on(control: WorkControl, turn: Turn | None, told: Callable[[State], None]) -> None:
    """Wait while a training is paused, and then for its turn, saying how it stands.

    Args:
        control: of the training; one that was forgotten is stopped.
        turn: that it has taken, and that another has meanwhile; None where nothing waits for turns.
        told: hears how it stands.

    Raises:
        CancelledError: it was stopped.
    """
    control.end_if_stopped()
    if not control.is_paused:
        return
    told("paused")
    if turn is not None:
        turn.give_back()
    control.wait(LONGEST_PAUSE)
    if turn is not None:
        told("waiting")
        turn.take(lambda: control.is_stopped)
        control.end_if_stopped()
    told("running")
