"""How far a survey came, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# The pace is that of so many windows, and is told after the first few.
PACED, LEAST_PACED = 40, 3


@dataclass(frozen=True, slots=True)
class SurveyMoment:
    """How a survey stands.

    Attributes:
        phase: what is done now, such as "texts" or "retrieval".
        done: windows, or passes of the phase.
        of: how many there will be; None where that is not known.
        tokens: that were read of the corpus.
        seconds_left: of the phase, at the pace of the last windows; None where there is none yet.
    """

    phase: str
    done: int
    of: int | None
    tokens: int
    seconds_left: float | None


Seen = Callable[[SurveyMoment], None]


class Pace:
    """Tells how far a phase came."""

    def __init__(self, phase: str, seen: Seen, *, of: int | None, tokens: int = 0) -> None:
        self._phase, self._seen, self._of, self._tokens = phase, seen, of, tokens
        self._times: deque[float] = deque(maxlen=PACED)

    def step(self, done: int, of: int | None = None, *, tokens: int | None = None) -> None:
        """Say that so much is done."""
        self._of = self._of if of is None else of
        self._tokens = self._tokens if tokens is None else tokens
        self._times.append(time.monotonic())
        self._seen(SurveyMoment(self._phase, done, self._of, self._tokens, self._left(done)))

    def _left(self, done: int) -> float | None:
        times = self._times
        if self._of is None or len(times) < LEAST_PACED:
            return None
        return (times[-1] - times[0]) / (len(times) - 1) * max(0, self._of - done)
