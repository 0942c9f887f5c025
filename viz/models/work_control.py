"""What others may ask of work that goes step by step, from any thread: to pause, to go on, to stop."""

from __future__ import annotations

import threading

from viz.errors import CancelledError


class WorkControl:
    """Pauses, goes on, and stops a training between two steps, or a survey between two windows."""

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
        """Let it wait after its step."""
        self._going.clear()

    def go_on(self) -> None:
        """Let it go on."""
        self._going.set()

    def stop(self) -> None:
        """Let it end after its step; what was done until then is kept."""
        self._stopped = True
        self._going.set()

    def end_if_stopped(self) -> None:
        """Let work end here that is to end.

        Raises:
            CancelledError: it was stopped.
        """
        if self._stopped:
            raise CancelledError("It was stopped.")

    def wait(self, longest: float | None = None) -> None:
        """Wait while it is paused.

        Args:
            longest: seconds after which work that everybody has forgotten is stopped.

        Raises:
            CancelledError: it was stopped.
        """
        if not self._going.wait(longest):
            self.stop()
        self.end_if_stopped()
