"""Whose turn it is among surveys: one works at a time, and the others wait in the order in which they came."""

from __future__ import annotations

import threading

from viz.survey import WorkControl


class SurveyLine:
    """Lets the first survey of a line work that is not paused, and holds up all others."""

    def __init__(self) -> None:
        self._controls: dict[str, WorkControl] = {}
        self._paused: set[str] = set()
        self._lock = threading.Lock()

    def __contains__(self, name: object) -> bool:
        return name in self._controls

    def __len__(self) -> int:
        return len(self._controls)

    def join(self, name: str, control: WorkControl) -> None:
        """Let a survey stand at the end."""
        with self._lock:
            self._controls[name] = control
            self._let_first_work()

    def leave(self, name: str) -> None:
        """Let the one after it have its turn."""
        with self._lock:
            self._controls.pop(name, None)
            self._paused.discard(name)
            self._let_first_work()

    def pause(self, name: str) -> None:
        """Let a survey wait after its window, and another work meanwhile."""
        with self._lock:
            if name in self._controls:
                self._paused.add(name)
                self._let_first_work()

    def go_on(self, name: str) -> None:
        """Let a survey that was paused stand at the end."""
        with self._lock:
            if name in self._paused:
                self._paused.discard(name)
                self._controls[name] = self._controls.pop(name)
                self._let_first_work()

    def stop(self, name: str) -> None:
        """Let a survey end after its window; it leaves the line by itself."""
        with self._lock:
            if name in self._controls:
                self._controls[name].stop()

    def is_paused(self, name: str) -> bool:
        """Whether a survey waits to be told to go on."""
        return name in self._paused

    def before(self, name: str) -> int:
        """Count those whose turn comes earlier; 0 of one that is not in the line."""
        with self._lock:
            names = [one for one in self._controls if one not in self._paused]
        return names.index(name) if name in names else 0

    def _let_first_work(self) -> None:
        first = next((one for one in self._controls if one not in self._paused), None)
        for name, control in self._controls.items():
            if control.is_stopped:
                continue  # it ends, and must not be held up any more
            if name == first:
                control.go_on()
            else:
                control.pause()
