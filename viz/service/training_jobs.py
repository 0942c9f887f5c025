"""Trainings of everyone, each in a thread of its own that outlives the page that started it."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from viz.errors import BusyError, GoneError, StorageError
from viz.models.model import Model
from viz.models.named_folder import throw_away
from viz.models.work_control import WorkControl
from viz.service.checkpoint_cache import Checkpoints
from viz.service.disk_space import require_room, room_of
from viz.service.example_cache import ExampleStore
from viz.service.kept_work import ENDS, require_place, why_ended
from viz.training.cpu_threads import AT_ONCE, few_threads
from viz.training.final_scores import best_score, keep_baseline
from viz.training.folder_lock import Holder, at_work_elsewhere, holder, is_held, not_kept
from viz.training.tasks import find_task
from viz.training.training_folder import About, RunFolder, State, require_sound, runs_root
from viz.training.training_loop import Moment
from viz.training.training_queue import Turn
from viz.training.training_run import run

log = logging.getLogger(__name__)

# The pace is that of so many last steps, which cost checkpoints too, and is told after the first few.
PACED, LEAST_PACED = 60, 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How a training stands at this moment.

    Attributes:
        step: the last one that was made; of a lost training that at which it was seen to be lost.
        kept: the step from which it can go on, 0 where that is from its beginning.
        loss: of its batch; NaN where none was made.
        seconds_left: at the pace of the last steps; None where there is none yet.
        others: how many others are at work.
    """

    step: int
    kept: int
    loss: float
    seconds_left: float | None
    others: int


@dataclass(slots=True)
class _Work:
    """A training that has a thread."""

    turn: Turn
    about: About
    control: WorkControl = field(default_factory=WorkControl)
    thread: threading.Thread = field(default_factory=threading.Thread)
    moment: Moment | None = None
    pace: deque[float] = field(default_factory=lambda: deque(maxlen=PACED))

    def moved(self, moment: Moment) -> None:
        """Hear of a step."""
        self.moment = moment
        self.pace.append(time.monotonic())

    def room(self) -> float:
        """Guess what its checkpoints will still take on the disk, in bytes."""
        if not self.thread.is_alive():
            return 0.0
        made = 0 if self.moment is None else self.moment.step
        return room_of(self.about) * (1 - made / self.about.settings.steps)

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
            StorageError: it cannot be written where trainings are kept.
        """
        promised = sum(work.room() for work in list(self._works.values()))
        require_room(about, self._root or runs_root(), promised)
        self._require_place()
        folder = RunFolder.create(about, self._root, text)
        self._begin(folder)
        return folder.name

    def go_on(self, name: str) -> None:
        """Go on with one that was paused, or that ended before it was done.

        Raises:
            GoneError: there is none of that name.
            BusyError: too many wait already, or it is at work elsewhere.
            DivergedError: it was lost.
            StorageError: its folder cannot be written to.
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
            raise at_work_elsewhere(folder.path)
        require_sound(folder.about())
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

    def holder(self, name: str) -> Holder:
        """Say who works on one that is at work elsewhere.

        Raises:
            GoneError: there is none of that name.
        """
        return holder(self.folder(name).path)

    def delete(self, name: str) -> None:
        """Throw away one and all that it learnt.

        Raises:
            GoneError: there is none of that name.
            BusyError: it is at work.
            StorageError: it cannot be thrown away.
        """
        root = (self._root or runs_root()).resolve()
        path = self.folder(name).path
        if path.is_symlink() or path.resolve().parent != root:
            raise GoneError("This training lies elsewhere.", "Delete it where it lies.")
        with self._lock:
            if self.works(name):
                raise BusyError("This training is at work.", "Stop it first.")
            if is_held(path):
                raise at_work_elsewhere(path)
            self._works.pop(name, None)
            try:
                throw_away(path)
            except OSError as error:
                raise not_kept(path, error) from error

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
            step = folder.about().diverged or step
            return Standing(step, folder.latest() or 0, loss, None, at_work)
        step, left = work.moment.step, work.seconds_left(work.about.settings.steps)
        return Standing(step, step, work.moment.loss, left, at_work)

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
        except StorageError:  # a full disk, or a folder that is only to be looked at
            return replace(about, state="cancelled")

    def _require_place(self) -> None:
        waiting = sum(work.thread.is_alive() for work in list(self._works.values()))
        require_place(waiting, "trainings")

    def _begin(self, folder: RunFolder) -> None:
        with self._lock:
            if self.works(folder.name):
                return  # somebody else was quicker
            about = folder.change(state="waiting", message="", diverged=None)
            # Those that ended have all they know in their folders.
            self._works = {name: one for name, one in self._works.items() if one.thread.is_alive()}
            turn = Turn(self._turns)
            work = _Work(turn, about)
            work.thread = threading.Thread(
                target=self._work, args=(folder, work), name=folder.name, daemon=True
            )
            self._works[folder.name] = work
            work.thread.start()

    def _work(self, folder: RunFolder, work: _Work) -> None:
        if not work.turn.take(lambda: work.control.is_stopped):
            self._end(folder, state="cancelled")
            return
        try:
            with few_threads():
                self._train(folder, work)
        except BusyError:
            log.info("The training %s went on elsewhere", folder.name)
        except Exception as error:
            message = why_ended(error, folder.path, "training", not_kept)
            self._end(folder, state="failed", message=message)
        finally:
            work.turn.give_back()

    def _end(self, folder: RunFolder, *, state: State, message: str = "") -> None:
        """Note how one ended, unless its folder is gone or cannot be written to any more."""
        try:
            folder.change(state=state, message=message)
        except StorageError as error:
            log.warning("How the training %s ended cannot be noted: %s", folder.name, error)
            if message:
                log.warning("It ended so: %s", message)

    def _train(self, folder: RunFolder, work: _Work) -> None:
        loaded = self.examples.of(folder)
        keep_baseline(folder, find_task(folder.about().task), loaded)
        self._settle()

        def measure(step: int, model: Model) -> dict[str, float]:
            return best_score(self.checkpoints.keep(folder, step, model, loaded).scores)

        run(
            *(folder, loaded.examples, loaded.tokenizer, work.control),
            begin=loaded.begin,
            seen=work.moved,
            measure=measure,
            by="page",
            turn=work.turn,
        )

    def _settle(self) -> None:
        """Spare later collections of garbage the libraries that only the first training brought in."""
        with self._lock:
            if not self._has_settled:
                gc.collect()
                gc.freeze()
                self._has_settled = True
