"""Trainings of everyone, each in a thread of its own that outlives the page that started it."""

from __future__ import annotations

import gc
import logging
import math
import os
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from viz.errors import BudgetError, BusyError, LoupeError
from viz.models.custom.folder import build_model
from viz.models.model import Model
from viz.service.checkpoints import Checkpoints
from viz.service.examples import ExampleStore
from viz.training.folder import About, RunFolder, runs_root
from viz.training.hold import at_work_elsewhere, is_held
from viz.training.loop import Moment
from viz.training.outcome import best_score, keep_baseline
from viz.training.run import Control, run
from viz.training.tasks import find_task
from viz.training.turn import Turn

log = logging.getLogger(__name__)

# Trainings that work at a time; others wait for their turn.
AT_ONCE = 2

# Processor threads of each. Where more threads are at work than there are cores, those of one product
# wait for each other: on two cores with others at work a training of two took ten times as long.
THREADS = max(1, (os.cpu_count() or 1) // AT_ONCE)

# The pace is that of so many last steps, which cost checkpoints too, and is told after the first few.
PACED, LEAST_PACED = 60, 5

# How long one that was stopped may take to end before it goes on, in seconds.
ENDS = 30.0

# What may wait.
MOST_WAITING = 20

# All checkpoints of a training together, in bytes.
MOST_BYTES = 4_000_000_000

# A tokenizer and a configuration, in bytes, and what is left free on the disk.
BESIDE = 60_000
LEFT_FREE = 500_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a training stands at this moment.

    Attributes:
        step: the last one that was made.
        loss: of its batch; NaN where none was made.
        seconds_left: at the pace of the last steps; None where there is none yet.
        others: how many others are at work.
    """

    step: int
    loss: float
    seconds_left: float | None
    others: int


@dataclass(slots=True)
class _Work:
    """A training that has a thread."""

    turn: Turn
    control: Control
    thread: threading.Thread = field(default_factory=threading.Thread)
    moment: Moment | None = None
    pace: deque[float] = field(default_factory=lambda: deque(maxlen=PACED))

    def moved(self, moment: Moment) -> None:
        """Hear of a step."""
        self.moment = moment
        self.pace.append(time.monotonic())

    def seconds_left(self, steps: int) -> float | None:
        """Guess how long it will take."""
        times = list(self.pace)
        if self.moment is None or len(times) < LEAST_PACED:
            return None
        return (times[-1] - times[0]) / (len(times) - 1) * (steps - self.moment.step)


class Trainings:
    """Starts, pauses, stops and goes on with trainings.

    Args:
        root: where they are kept; inside what pages may open models from by default.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._works: dict[str, _Work] = {}
        self._lock = threading.Lock()
        self._has_settled = False
        self.examples = ExampleStore()
        self.checkpoints = Checkpoints(self.examples)

    def start(self, about: About, text: str | None = None) -> str:
        """Begin a training.

        Args:
            about: what to train and how.
            text: the user's own, to learn from.

        Returns:
            Its unguessable name.

        Raises:
            BudgetError: its checkpoints would take too much room.
            BusyError: too many wait already.
        """
        require_room(about, self._root or runs_root())
        self._require_place()
        folder = RunFolder.create(about, self._root, text)
        self._begin(folder)
        return folder.name

    def go_on(self, name: str) -> None:
        """Go on with one that was paused, or that ended before it was done.

        Raises:
            GoneError: there is none of that name.
            BusyError: too many wait already, or it is at work elsewhere.
        """
        work = self._works.get(name)
        if work is not None and work.thread.is_alive() and not work.control.is_stopped:
            work.pace.clear()
            work.control.go_on()
            return
        if work is not None:
            work.thread.join(ENDS)
        folder = RunFolder.open(name, self._root)
        if is_held(folder.path):
            raise at_work_elsewhere()
        self._require_place()
        self._begin(folder)

    def pause(self, name: str) -> None:
        """Let one wait after its step."""
        if (work := self._works.get(name)) is not None:
            work.control.pause()

    def stop(self, name: str) -> None:
        """End one after its step; what it learnt is kept."""
        if (work := self._works.get(name)) is not None:
            work.control.stop()

    def folder(self, name: str) -> RunFolder:
        """Find what is kept of one.

        Raises:
            GoneError: there is none of that name.
        """
        return RunFolder.open(name, self._root)

    def works(self, name: str) -> bool:
        """Whether one is at work here, waits for its turn, or is paused."""
        work = self._works.get(name)
        return work is not None and work.thread.is_alive()

    def works_elsewhere(self, name: str) -> bool:
        """Whether one is at work in another process, as by `loupe train`.

        Raises:
            GoneError: there is none of that name.
        """
        return not self.works(name) and is_held(self.folder(name).path)

    def standing(self, name: str) -> Standing:
        """Say how one stands at this moment.

        Raises:
            GoneError: there is none of that name.
        """
        folder, work = self.folder(name), self._works.get(name)
        at_work = sum(
            other.turn.is_taken for one, other in list(self._works.items()) if one != name
        )
        if work is None or work.moment is None or not work.thread.is_alive():
            log = folder.notes("log")
            step, loss = (int(log[-1]["step"]), log[-1]["loss"]) if log else (0, math.nan)
            return Standing(step, loss, None, at_work)
        left = work.seconds_left(folder.about().settings.steps)
        return Standing(work.moment.step, work.moment.loss, left, at_work)

    def about(self, name: str) -> About:
        """Say how one stands; one that the app's end cut short counts as stopped.

        Raises:
            GoneError: there is none of that name.
        """
        folder = self.folder(name)
        with self._lock:
            # Asked before its state is read: what ends meanwhile has written how it ended.
            works = self.works(name) or is_held(folder.path)
        about = folder.about()
        unfinished = about.state in ("waiting", "running", "paused")
        if works or not unfinished:
            return about
        try:
            return folder.change(state="cancelled")
        except OSError:  # a full disk
            return replace(about, state="cancelled")

    def _require_place(self) -> None:
        waiting = sum(work.thread.is_alive() for work in list(self._works.values()))
        if waiting >= MOST_WAITING:
            raise BusyError(
                f"{waiting} trainings are at work, paused, or wait for their turn.",
                "Try again when one has ended.",
            )

    def _begin(self, folder: RunFolder) -> None:
        with self._lock:
            if self.works(folder.name):
                return  # somebody else was quicker
            folder.change(state="waiting", message="", diverged=None)
            turn = Turn(self._turns)
            work = _Work(turn, Control(turn))
            work.thread = threading.Thread(
                target=self._work, args=(folder, work), name=folder.name, daemon=True
            )
            self._works[folder.name] = work
            work.thread.start()

    def _work(self, folder: RunFolder, work: _Work) -> None:
        if not work.turn.take(lambda: work.control.is_stopped):
            folder.change(state="cancelled")
            return
        try:
            # Threads of torch that wait for each other cost a crowded machine more than they bring.
            with threadpool_limits(THREADS, user_api="openmp"):
                self._train(folder, work)
        except BusyError:
            log.info("The training %s went on elsewhere", folder.name)
        except LoupeError as error:
            folder.change(state="failed", message=str(error))
        except OSError:
            log.exception("The training %s cannot be kept", folder.name)
        except Exception:
            log.exception("The training failed")
            folder.change(
                state="failed",
                message="This is a defect in Attention Loupe; the log has its details.",
            )
        finally:
            work.turn.give_back()

    def _train(self, folder: RunFolder, work: _Work) -> None:
        loaded = self.examples.of(folder)
        keep_baseline(folder, find_task(folder.about().task), loaded)
        self._settle()

        def measure(step: int, model: Model) -> dict[str, float]:
            return best_score(self.checkpoints.keep(folder, step, model, loaded).scores)

        given = (loaded.examples, loaded.tokenizer, work.control)
        run(folder, *given, begin=loaded.begin, seen=work.moved, measure=measure)

    def _settle(self) -> None:
        """Spare later collections of garbage the libraries that only the first training brought in."""
        with self._lock:
            if not self._has_settled:
                gc.collect()
                gc.freeze()
                self._has_settled = True


def require_room(about: About, root: Path) -> None:
    """Make sure that a training's checkpoints fit on the disk, and into what each may take of it.

    Raises:
        BudgetError: they do not.
    """
    with torch.device("meta"):
        module = build_model(about.options)
    one = 4 * sum(parameter.numel() for parameter in module.parameters())
    count = 2 + about.settings.steps // about.settings.keep_every
    # Beside its weights a checkpoint has a tokenizer; and the optimiser remembers two numbers a weight.
    needed = (one + BESIDE) * count + 2 * one
    here = next(path for path in (root, *root.parents) if path.exists())
    free = max(0, shutil.disk_usage(here).free - LEFT_FREE)
    if needed > min(free, MOST_BYTES):
        may = (
            f"a training may take {MOST_BYTES / 1e9:,.0f} GB"
            if free > MOST_BYTES
            else f"the disk has room for {free / 1e9:,.1f} GB"
        )
        raise BudgetError(
            f"{count:,} checkpoints of {one / 1e6:,.1f} MB each would take {needed / 1e9:,.1f} GB; {may}.",
            "Keep a checkpoint less often, or choose a smaller model.",
        )
