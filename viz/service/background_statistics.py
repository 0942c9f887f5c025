"""The heads of one run, surveyed layer by layer: while somebody waits for them, then beside the page."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping

from viz.capture.stack import Stack
from viz.errors import CancelledError
from viz.patterns import LayerSurvey, Survey, survey_layer, surveyed
from viz.service.pass_queue import PassQueue

Progress = Callable[[str, float], None]

log = logging.getLogger(__name__)

# A stack and a layer of it.
Place = tuple[str, int]

# A drawing that no page has asked for this long rests, in seconds.
UNSEEN_SECONDS = 20.0

# How often somebody who waits for a layer that is in other hands may cancel, in seconds.
TURN_SECONDS = 0.2

# What goes on beside pages is one layer at a time, of all runs in turn: PyTorch uses every core for each, and
# dozens at once would leave none to what somebody waits for.
BESIDE = PassQueue(1)


class Drawing:
    """Surveys every head of a run, each layer once, whoever asks; where it stopped it can go on.

    Args:
        stacks: of the run.
    """

    def __init__(self, stacks: Mapping[str, Stack]) -> None:
        self._stacks = stacks
        self._known: dict[str, dict[int, LayerSurvey]] = {name: {} for name in stacks}
        self._work = {
            (name, at): _work(one, at) for name, one in stacks.items() for at in range(one.layers)
        }
        self._turn = threading.Lock()
        self._beside: threading.Thread | None = None
        self._first: Place | None = None
        self._looked = -math.inf
        self._failed = False

    @property
    def done(self) -> int:
        """How many layers are surveyed."""
        return sum(len(known) for known in self._known.values())

    @property
    def layers(self) -> int:
        """How many layers there are, in all stacks."""
        return len(self._work)

    @property
    def share(self) -> float:
        """The share of the work that is done."""
        done = sum(work for (name, layer), work in self._work.items() if layer in self._known[name])
        return done / max(1, sum(self._work.values()))

    @property
    def is_done(self) -> bool:
        """Whether every head is surveyed."""
        return self.done == self.layers

    @property
    def is_going(self) -> bool:
        """Whether it goes on beside the page."""
        return self._beside is not None and self._beside.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether it stopped beside the page by a fault of ours; the log has its details."""
        return self._failed

    def surveys(self) -> dict[str, Survey]:
        """Return what is surveyed so far, by stack."""
        return {name: surveyed(one, dict(self._known[name])) for name, one in self._stacks.items()}

    def draw(
        self, progress: Progress, first: Place | None = None, patience: float = math.inf
    ) -> None:
        """Survey heads here and now, for as long as somebody is ready to wait.

        Args:
            progress: called with "draw" and the share done; may raise to cancel.
            first: the stack and the layer that somebody looks at; waited for in any case.
            patience: seconds after which no further layer is begun.
        """
        self._first, until = first, time.monotonic() + patience
        while not self.is_done:
            if time.monotonic() >= until and not self._is_open(first):
                return
            self._one(lambda: progress("draw", self.share))

    def look(self, first: Place | None) -> None:
        """Go on beside the page; to be called again while somebody looks.

        Args:
            first: the stack and the layer that somebody looks at now.
        """
        self._first, self._looked, self._failed = first, time.monotonic(), False
        if not self.is_done and not self.is_going:
            self._beside = threading.Thread(target=self._go_on, name="drawing", daemon=True)
            self._beside.start()

    def rest(self) -> None:
        """Stop what goes on beside the page; what is surveyed stays."""
        self._looked = -math.inf

    def _go_on(self) -> None:
        try:
            while not self.is_done:
                with BESIDE.turn(self, lambda _phase, _share: self._require_looked_at()):
                    self._one(self._require_looked_at)
        except CancelledError:
            pass
        except Exception:
            self._failed = True
            log.exception("Drawing the heads failed")

    def _require_looked_at(self) -> None:
        if time.monotonic() - self._looked > UNSEEN_SECONDS:
            raise CancelledError("Nobody looks any more.")

    def _one(self, going: Callable[[], None]) -> None:
        """Survey the layer that is next, when nobody else surveys one."""
        going()
        while not self._turn.acquire(timeout=TURN_SECONDS):
            going()
        try:
            place = self._next()
            if place is not None:
                name, layer = place
                self._known[name][layer] = survey_layer(self._stacks[name], layer, going=going)
        finally:
            self._turn.release()

    def _next(self) -> Place | None:
        """Choose what is looked at, then the rest of its stack, then the other stacks."""
        stack = self._first[0] if self._first else ""
        wanted = sorted(self._work, key=lambda place: (place != self._first, place[0] != stack))
        return next((place for place in wanted if self._is_open(place)), None)

    def _is_open(self, place: Place | None) -> bool:
        """Whether there is such a layer, and it is not surveyed yet."""
        return place in self._work and place[1] not in self._known[place[0]]


def _work(stack: Stack, layer: int) -> int:
    """Say what a layer takes, against others."""
    return stack.heads(layer) * len(stack.queries) * len(stack.keys)
