"""A turn among trainings: only so many work at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

# How often one that waits looks whether it is still to wait, in seconds.
LOOK_AFTER = 0.2


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
