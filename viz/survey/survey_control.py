"""What others may ask of a survey that is at work, from any thread."""

from __future__ import annotations

import threading

from viz.errors import CancelledError


class SurveyControl:
    """Pauses, goes on, and stops a survey between two windows."""

    def __init__(self) -> None:
        self._going = threading.Event()
        self._going.set()
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end."""
        return self._stopped

    @property
    def is_paused(self) -> bool:
        """Whether it waits to be told to go on."""
        return not self._going.is_set()

    def pause(self) -> None:
        """Let it wait after its window."""
        self._going.clear()

    def go_on(self) -> None:
        """Let it go on."""
        self._going.set()

    def stop(self) -> None:
        """Let it end after its window; what was measured is kept."""
        self._stopped = True
        self._going.set()

    def wait(self) -> None:
        """Wait while it is paused.

        Raises:
            CancelledError: it was stopped.
        """
        self._going.wait()
        if self._stopped:
            raise CancelledError("The survey was stopped.")
