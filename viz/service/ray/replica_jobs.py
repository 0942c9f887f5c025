"""Work in a replica that somebody far away waits for: it tells how far it is, and stops when nobody asks any more."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from viz.errors import CancelledError, GoneError, LoupeError

log = logging.getLogger(__name__)

Tell = Callable[..., None]

# Seconds after which a question is answered with how far the work is.
ANSWER_SECONDS = 0.25

# Work that nobody has asked after for so many seconds stops: the app has ended, or cannot be reached. Longer than a
# question may be on its way.
UNASKED_SECONDS = 45.0


class LostError(GoneError):
    """The replica that was asked has ended."""

    def __init__(self) -> None:
        super().__init__(
            "The process that ran this has ended; it may have run out of memory.",
            "Press Run again: another one takes its place.",
        )


@dataclass(frozen=True, slots=True)
class Going:
    """Work that goes on.

    Attributes:
        job: its name.
        told: what it told last, to be passed to whoever shows progress.
    """

    job: str
    told: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Why nothing came of it.

    Attributes:
        error: for a user's reason; None where it is a defect of ours.
        trace: of the defect.
    """

    error: LoupeError | None
    trace: str = ""


Answer = Going | Done | Failed


@dataclass(eq=False, slots=True)
class _Job:
    """One piece of work.

    Attributes:
        result: what is answered in the end.
        told: as in `Going`.
        asked: when somebody asked after it last.
        is_cancelled: whether it was told to stop.
        done: wakes who waits for it; made once, in the loop that asks.
    """

    result: Future[Done | Failed] = field(default_factory=Future)
    told: tuple[Any, ...] | None = None
    asked: float = field(default_factory=time.monotonic)
    is_cancelled: bool = False
    done: asyncio.Future[Done | Failed] | None = None

    def tell(self, *told: Any) -> None:
        """Note how far it is.

        Raises:
            CancelledError: nobody wants it any more.
        """
        self.told = told
        self.require_wanted()

    def require_wanted(self) -> None:
        """Make sure that somebody wants it.

        Raises:
            CancelledError: nobody does any more.
        """
        if self.is_cancelled or self.is_left:
            raise CancelledError("Nobody waits for this any more.")

    @property
    def is_left(self) -> bool:
        """Whether nobody has asked after it for long."""
        return time.monotonic() - self.asked > UNASKED_SECONDS


class Jobs:
    """Runs work in threads of its own.

    Args:
        threads: that work at a time; passes wait for each other in a queue of their own.
    """

    def __init__(self, threads: int = 64) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="job")
        self._jobs: dict[str, _Job] = {}

    async def begin(self, work: Callable[[Tell], Any]) -> Answer:
        """Begin work, and return what comes of it if that takes a moment.

        Args:
            work: given what to tell its progress to, which raises where it is to stop.
        """
        job = _Job()

        def run() -> None:
            job.result.set_result(_outcome(work, job))

        self._threads.submit(run)
        name = secrets.token_hex(8)
        self._jobs[name] = job
        self._forget_left()
        return await self._answer(name, job)

    async def wait(self, name: str) -> Answer:
        """Return what came of work, or after a moment how far it is."""
        job = self._jobs.get(name)
        if job is None:
            # It was begun in another replica, in whose place Ray has asked this one.
            return Failed(LostError())
        return await self._answer(name, job)

    def cancel(self, name: str) -> None:
        """Stop work at the next time that it tells how far it is."""
        job = self._jobs.pop(name, None)
        if job is not None:
            job.is_cancelled = True

    @property
    def going(self) -> int:
        """How many are not done."""
        return sum(not job.result.done() for job in self._jobs.values())

    async def _answer(self, name: str, job: _Job) -> Answer:
        job.asked = time.monotonic()
        if job.done is None:
            job.done = asyncio.wrap_future(job.result)
        await asyncio.wait({job.done}, timeout=ANSWER_SECONDS)
        job.asked = time.monotonic()
        if not job.result.done():
            return Going(name, job.told)
        # It stays for a while: an answer can be lost on its way, and is asked for again then.
        return job.result.result()

    def _forget_left(self) -> None:
        """Let go of results that nobody has come for."""
        for name in [one for one, job in self._jobs.items() if job.result.done() and job.is_left]:
            self._jobs.pop(name, None)


def _outcome(work: Callable[[Tell], Any], job: _Job) -> Done | Failed:
    try:
        job.require_wanted()
        return Done(work(job.tell))
    except LoupeError as error:
        return Failed(error)
    except BaseException as error:
        log.exception("Work in a replica failed")
        return Failed(None, "".join(traceback.format_exception(error)))
