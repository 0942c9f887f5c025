"""Trainings of everyone, each in a thread of its own that outlives the page that started it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

import torch

from viz.errors import BudgetError, BusyError, LoupeError
from viz.models.custom.folder import build_model
from viz.training.folder import About, RunFolder
from viz.training.loop import Moment
from viz.training.run import Control, run
from viz.training.task import Loaded
from viz.training.tasks import find_task

log = logging.getLogger(__name__)

# Trainings that work at a time; others wait for their turn.
AT_ONCE = 2

# How often one that waits is looked after, in seconds.
LOOK_AFTER = 0.2

# What may wait.
MOST_WAITING = 20

# All checkpoints of a training together, in bytes.
MOST_BYTES = 4_000_000_000


@dataclass(slots=True)
class _Work:
    """A training that has a thread."""

    control: Control
    thread: threading.Thread = field(default_factory=threading.Thread)
    moment: Moment | None = None


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
        require_room(about)
        self._require_place()
        folder = RunFolder.create(about, self._root, text)
        self._begin(folder)
        return folder.name

    def go_on(self, name: str) -> None:
        """Go on with one that was paused, or that ended before it was done.

        Raises:
            GoneError: there is none of that name.
            BusyError: too many wait already.
        """
        work = self._works.get(name)
        if work is not None and work.thread.is_alive():
            work.control.go_on()
            return
        folder = RunFolder.open(name, self._root)
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
        """Whether one is at work, waits for its turn, or is paused."""
        work = self._works.get(name)
        return work is not None and work.thread.is_alive()

    def moment(self, name: str) -> Moment | None:
        """Return the last step of one that is at work."""
        work = self._works.get(name)
        return None if work is None else work.moment

    def about(self, name: str) -> About:
        """Say how one stands; one that the app's end cut short counts as stopped.

        Raises:
            GoneError: there is none of that name.
        """
        folder = self.folder(name)
        with self._lock:
            # Asked before its state is read: what ends meanwhile has written how it ended.
            works = self.works(name)
        about = folder.about()
        unfinished = about.state in ("waiting", "running", "paused")
        return folder.change(state="cancelled") if unfinished and not works else about

    def _require_place(self) -> None:
        waiting = sum(work.thread.is_alive() for work in list(self._works.values()))
        if waiting >= MOST_WAITING:
            raise BusyError(
                f"{waiting} trainings are at work or wait for their turn.",
                "Try again when one has ended.",
            )

    def _begin(self, folder: RunFolder) -> None:
        with self._lock:
            if self.works(folder.name):
                return  # somebody else was quicker
            folder.change(state="waiting", message="")
            work = _Work(Control(self._turns))
            work.thread = threading.Thread(
                target=self._work, args=(folder, work), name=folder.name, daemon=True
            )
            self._works[folder.name] = work
            work.thread.start()

    def _work(self, folder: RunFolder, work: _Work) -> None:
        def seen(moment: Moment) -> None:
            work.moment = moment

        while not self._turns.acquire(timeout=LOOK_AFTER):
            if work.control.is_stopped:
                folder.change(state="cancelled")
                return
        try:
            loaded = loaded_for(folder)
            given = (loaded.examples, loaded.tokenizer, work.control)
            run(folder, *given, begin=loaded.begin, seen=seen)
        except LoupeError as error:
            folder.change(state="failed", message=str(error))
        except Exception:
            log.exception("The training failed")
            folder.change(
                state="failed",
                message="This is a defect in Attention Loupe; the log has its details.",
            )
        finally:
            self._turns.release()


def loaded_for(folder: RunFolder) -> Loaded:
    """Make the data of a training anew, as they were when it began.

    Raises:
        LoupeError: they cannot be made, for the reason it gives.
    """
    about = folder.about()
    return find_task(about.task).load(about.settings.seed, folder.text())


def require_room(about: About) -> None:
    """Make sure that a training's checkpoints fit on the disk that they may take.

    Raises:
        BudgetError: they do not.
    """
    with torch.device("meta"):
        module = build_model(about.options)
    one = 4 * sum(parameter.numel() for parameter in module.parameters())
    count = 2 + about.settings.steps // about.settings.keep_every
    if one * count > MOST_BYTES:
        raise BudgetError(
            f"{count:,} checkpoints of {one / 1e6:,.0f} MB each would take {one * count / 1e9:,.1f} GB; "
            f"a training may take {MOST_BYTES / 1e9:,.0f} GB.",
            "Keep a checkpoint less often, or choose a smaller model.",
        )
