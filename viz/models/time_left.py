"""How long a run goes on, foreseen from how long it has taken."""

from __future__ import annotations

import time
from collections.abc import Callable

# Before a phase has taken so long, what is left of it is a guess.
SURE_SECONDS = 1.0

# Before an end is foreseen, it is taken to be at least so far away.
UNSURE_SECONDS = 10.0

# Phases that tell their share evenly: the pass layer by layer, the drawing head by head.
EVEN = ("forward", "draw")


class SecondsLeft:
    """Foresees the end of one run from the progress that it tells.

    Args:
        drawing: how long drawing takes, as a multiple of the pass.
        clock: tells seconds.
    """

    def __init__(
        self, drawing: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ratio = drawing
        self._clock = clock
        self._drawing: float | None = None
        self._phase, self._since, self._from = "", 0.0, 0.0

    def __call__(self, phase: str, share: float) -> float | None:
        """Return the seconds left until every head is drawn, or None where nobody can tell yet.

        Args:
            phase: what is going on.
            share: of the phase, that is done.
        """
        now = self._clock()
        if phase != self._phase:
            # What was done before, in a run that goes on, took none of this time.
            self._phase, self._since, self._from = phase, now, share
        taken, done = now - self._since, share - self._from
        if phase not in EVEN or taken < SURE_SECONDS or done <= 0:
            return None
        left = taken * max(0.0, 1 - share) / done
        if phase == "forward":
            if self._drawing is None:
                self._drawing = self._ratio()
            left += self._drawing * taken / done
        return left


class ShareDone:
    """Says how much of one run is done, so that it fits the seconds left; it never goes back.

    Args:
        clock: tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._share = clock, clock(), 0.0

    def __call__(self, guess: float, left: float | None) -> float:
        """Return the share of the run's time that is over.

        Args:
            guess: what the order of the phases says of it; less is told while the run is young.
            left: seconds that are foreseen, or None where nobody can tell yet.
        """
        taken = self._clock() - self._began
        if left is None:
            share = min(guess, taken / (taken + UNSURE_SECONDS))
        else:
            share = taken / (taken + left) if taken + left > 0 else 0.0
        self._share = max(self._share, min(1.0, share))
        return self._share
