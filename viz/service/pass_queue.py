"""Turns at running models: a few at a time, users one after the other, and everybody told how many are before them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from viz.errors import BusyError

Progress = Callable[[str, float], None]

# The phase that is told while somebody waits; its share says how many are before (`before_of`).
WAIT = "wait"

# How often who waits is told how many are before, and may give up, in seconds.
TOLD_SECONDS = 0.2


def share_of(before: int) -> float:
    """Return the share that is told where so many are before: of their turns and one's own, the part that is one's own."""
    return 1 / (1 + before)


def before_of(share: float) -> int:
    """Return how many are before, where that share was told."""
    return round(1 / share) - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """One who waits, or has a turn."""

    user: Hashable
    needs: Hashable
    called: threading.Event = field(default_factory=threading.Event)


class PassQueue:
    """Hands out turns: round robin between users, and of one user first come, first served.

    A user has one turn at a time, however many pages, and so has what can be used by one alone; who could not go on
    with a turn is passed over. A thread that has a turn already goes on with it. Who gives up while waiting, because
    `progress` raised, leaves the queue; who does so in a turn leaves it free.

    Args:
        at_once: turns that are given at a time.
        waiting_each: of one user that may wait.
        waiting: that may wait in all.
    """

    def __init__(
        self, at_once: int = 1, *, waiting_each: float = math.inf, waiting: float = math.inf
    ) -> None:
        self._at_once = at_once
        self._waiting_each = waiting_each
        self._waiting = waiting
        # Users in the order in which they are served next, each with those who wait.
        self._lines: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()
        self._served: dict[Hashable, _Ticket] = {}
        self._lock = threading.Lock()
        self._here = threading.local()

    def __len__(self) -> int:
        """How many wait."""
        with self._lock:
            return sum(map(len, self._lines.values()))

    def before(self, user: Hashable, needs: Hashable = None) -> int:
        """Return how many would be before the next run of a user: those that have a turn, and those that wait; 0 where it would begin at once.

        Args:
            user: who would run something.
            needs: by it; see `turn`.
        """
        with self._lock:
            # Who waits although a turn is free waits for something else, and is passed over.
            is_free = len(self._served) < self._at_once and not self._is_used(needs)
            if is_free and user not in self._served and user not in self._lines:
                return 0
            return self._before(user, len(self._lines.get(user, ())))

    @contextmanager
    def turn(self, user: Hashable, progress: Progress, needs: Hashable = None) -> Iterator[None]:
        """Wait for a turn, and have it until the end of the block.

        Args:
            user: whose it is.
            progress: called a few times a second while it waits, with `WAIT` and what says how many are before;
                may raise to give up.
            needs: what only one turn at a time may use, such as a model; None where there is no such thing.

        Raises:
            BusyError: too many wait already.
        """
        if getattr(self._here, "has_turn", False):
            yield
            return
        ticket = self._join(user, needs)
        try:
            while not ticket.called.wait(TOLD_SECONDS):
                progress(WAIT, share_of(self._before_ticket(ticket)))
            self._here.has_turn = True
            yield
        finally:
            self._here.has_turn = False
            self._leave(ticket)

    def _join(self, user: Hashable, needs: Hashable) -> _Ticket:
        with self._lock:
            line = self._lines.get(user, deque())
            if len(line) >= self._waiting_each:
                raise BusyError(
                    f"{_waiting(len(line))} in this browser already, and no more can.",
                    "Wait for one of them, or cancel it.",
                )
            waiting = sum(map(len, self._lines.values()))
            if waiting >= self._waiting:
                raise BusyError(
                    f"{_waiting(waiting)} already, and no more can.",
                    "Try again in a minute.",
                )
            ticket = _Ticket(user, needs)
            line.append(ticket)
            self._lines[user] = line
            self._call()
            return ticket

    def _leave(self, ticket: _Ticket) -> None:
        """Free a turn, or a place in the line."""
        with self._lock:
            if ticket.called.is_set():
                del self._served[ticket.user]
            else:
                line = self._lines[ticket.user]
                line.remove(ticket)
                if not line:
                    del self._lines[ticket.user]
            self._call()

    def _call(self) -> None:
        """Give the turns that are free."""
        for user in list(self._lines):
            if len(self._served) >= self._at_once:
                return
            line = self._lines[user]
            if user in self._served or self._is_used(line[0].needs):
                continue
            ticket = line.popleft()
            self._served[user] = ticket
            ticket.called.set()
            # Whoever was served comes last; others may have been passed over, and stay where they are.
            if line:
                self._lines.move_to_end(user)
            else:
                del self._lines[user]

    def _is_used(self, needs: Hashable) -> bool:
        return needs is not None and any(needs == one.needs for one in self._served.values())

    def _before_ticket(self, ticket: _Ticket) -> int:
        with self._lock:
            line = self._lines.get(ticket.user, ())
            # Called since this was asked: nobody is before.
            return self._before(ticket.user, line.index(ticket)) if ticket in line else 0

    def _before(self, user: Hashable, place: int) -> int:
        """Count who has a turn, and who will before the one at a place of a user's line."""
        before, is_passed = len(self._served) + place, False
        for other, line in self._lines.items():
            if other == user:
                is_passed = True
            else:
                # Who comes earlier in the round has had one turn more when it is the user's.
                before += min(len(line), place if is_passed else place + 1)
        return before


def _waiting(number: int) -> str:
    return f"{number:,} run{' is' if number == 1 else 's are'} waiting"
