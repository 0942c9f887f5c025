"""Surveys of everyone, each in a thread of its own that outlives the page that started it."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from viz.errors import BudgetError, BusyError, CancelledError, GoneError, LoupeError, StorageError
from viz.models import Model
from viz.models.named_folder import throw_away
from viz.service.kept_work import ENDS, require_place, why_ended
from viz.service.run_result import Request
from viz.service.survey_kept import Asked, KeptSurvey, State, not_kept, surveys_root
from viz.service.survey_line import SurveyLine
from viz.survey import Survey, SurveyMoment, SurveySettings, WorkControl, load_survey, run_survey
from viz.training.cpu_threads import few_threads
from viz.training.folder_lock import is_held

log = logging.getLogger(__name__)

# Tokens of a window where nobody chooses: so many that its text fits into a link to Explore.
USUAL_LENGTH = 256

# What is left free on the disk, in bytes.
LEFT_FREE = 500_000_000

# Loads a request's model, and is told what hears how far that is.
LoadModel = Callable[[Request, Callable[[str, float], None]], Model]


@dataclass(frozen=True, slots=True)
class SurveyStanding:
    """How a survey stands at this moment.

    Attributes:
        asked: what it is of, with its state.
        moment: how far it is; None before it has begun, and after its end.
        before: how many have their turn earlier.
        is_ending: whether it was stopped, and ends its window.
        elsewhere: whether another process works on it.
    """

    asked: Asked
    moment: SurveyMoment | None = None
    before: int = 0
    is_ending: bool = False
    elsewhere: bool = False


@dataclass(slots=True)
class _Work:
    """A survey that has a thread."""

    control: WorkControl = field(default_factory=WorkControl)
    thread: threading.Thread = field(default_factory=threading.Thread)
    moment: SurveyMoment | None = None

    def loads(self, phase: str, share: float) -> None:
        """Hear how far the loading of the model is, which others may wait for, so that it is not paused."""
        if self.control.is_stopped:
            raise CancelledError("The survey was stopped.")
        if phase == "load":
            self.moment = SurveyMoment("load", round(100 * share), 100, 0, None)

    def moved(self, moment: SurveyMoment) -> None:
        """Hear how far the survey is."""
        self.moment = moment


class Surveys:
    """Starts, pauses, stops and goes on with surveys; one is worked on at a time.

    Args:
        load: loads a model.
        root: where they are kept; in the cache by default.
    """

    def __init__(self, load: LoadModel, root: Path | None = None) -> None:
        self._load = load
        self._root = root
        self._line = SurveyLine()
        self._works: dict[str, _Work] = {}
        self._lock = threading.Lock()

    def start(self, asked: Asked) -> str:
        """Begin a survey.

        Args:
            asked: of what.

        Returns:
            Its unguessable name.

        Raises:
            StorageError: its texts cannot be read, or it cannot be written where surveys are kept.
            InputError: its texts hold nothing to read, or have no such column or split.
            BudgetError: the disk is full.
            BusyError: too many wait already.
        """
        self._require_place()
        kept = KeptSurvey.create(asked, self._where)
        try:
            self._require_room()
            kept.corpus()
        except LoupeError:
            shutil.rmtree(kept.path, ignore_errors=True)
            raise
        self._begin(kept)
        return kept.name

    def go_on(self, name: str) -> None:
        """Go on with one that was paused, or that ended before it was done.

        Raises:
            GoneError: there is none of that name.
            BusyError: too many wait already, it still ends, or it is at work elsewhere.
            StorageError: its folder cannot be written to.
        """
        work = self._works.get(name)
        if work is not None and name in self._line and not work.control.is_stopped:
            self._line.go_on(name)
            return
        if work is not None:
            work.thread.join(ENDS)
            if work.thread.is_alive():
                raise BusyError("This survey still ends its last window.", "Try again in a moment.")
        kept = self._kept(name)
        if is_held(kept.measured.path):
            raise _elsewhere()
        self._require_place()
        self._begin(kept)

    def pause(self, name: str) -> None:
        """Let one wait after its window."""
        self._line.pause(name)

    def stop(self, name: str) -> None:
        """End one after its window; what it measured is kept, and made into tables."""
        self._line.stop(name)

    def works(self, name: str) -> bool:
        """Whether one is at work here, waits for its turn, or is paused."""
        return name in self._line

    def standing(self, name: str) -> SurveyStanding:
        """Say how one stands at this moment; one that the app's end cut short counts as stopped.

        Raises:
            GoneError: there is none of that name.
            StorageError: what it is of cannot be read.
        """
        kept, work = self._kept(name), self._works.get(name)
        # Asked before its state is read: what ends meanwhile has written how it ended.
        works, before = name in self._line, self._line.before(name)
        asked = kept.asked()
        if works and work is not None:
            state: State = "paused" if self._line.is_paused(name) else "running"
            state = "waiting" if state == "running" and before else state
            asked = replace(asked, state=state)
            return SurveyStanding(asked, work.moment, before, work.control.is_stopped)
        if asked.state != "running":
            return SurveyStanding(asked)
        if is_held(kept.measured.path):
            return SurveyStanding(asked, elsewhere=True)
        return SurveyStanding(replace(asked, state="stopped"))

    def result(self, name: str) -> Survey | None:
        """Return what was measured until its last end; None where that is nothing yet.

        Raises:
            GoneError: there is none of that name.
            LoupeError: its tables cannot be read.
        """
        kept = self._kept(name)
        return load_survey(kept.measured.path) if kept.has_tables else None

    def delete(self, name: str) -> None:
        """Throw away one, with its texts and all that it measured.

        Raises:
            GoneError: there is none of that name.
            BusyError: it is at work.
            StorageError: it cannot be thrown away.
        """
        path = self._kept(name).path
        if path.is_symlink():
            raise GoneError("This survey lies elsewhere.", "Delete it where it lies.")
        with self._lock:
            if name in self._line:
                raise BusyError("This survey is at work.", "Stop it first.")
            if is_held(path / "survey"):
                raise _elsewhere()
            self._works.pop(name, None)
            try:
                throw_away(path)
            except OSError as error:
                raise not_kept(path, error) from error

    @property
    def _where(self) -> Path:
        return self._root or surveys_root()

    def _kept(self, name: str) -> KeptSurvey:
        return KeptSurvey.open(name, self._where)

    def _require_place(self) -> None:
        require_place(len(self._line), "surveys")

    def _require_room(self) -> None:
        free = shutil.disk_usage(self._where).free
        if free < LEFT_FREE:
            raise BudgetError(
                f"The disk has room for {free / 1e9:,.1f} GB more, and a survey leaves {LEFT_FREE / 1e9:,.1f} GB free.",
                "Free some space.",
            )

    def _begin(self, kept: KeptSurvey) -> None:
        with self._lock:
            if kept.name in self._line:
                return  # somebody else was quicker
            kept.change(state="running", message="")
            # Those that ended have all they know in their folders.
            self._works = {name: one for name, one in self._works.items() if name in self._line}
            work = _Work()
            work.thread = threading.Thread(
                target=self._work, args=(kept, work), name=kept.name, daemon=True
            )
            self._works[kept.name] = work
            self._line.join(kept.name, work.control)
            work.thread.start()

    def _work(self, kept: KeptSurvey, work: _Work) -> None:
        state: State = "failed"
        message = ""
        try:
            work.control.wait()
            with few_threads():
                state = self._survey(kept, work)
        except (CancelledError, BusyError):
            state = "stopped"
        except Exception as error:
            message = why_ended(error, kept.path, "survey", not_kept)
        finally:
            self._end(kept, state=state, message=message)
            self._line.leave(kept.name)

    def _survey(self, kept: KeptSurvey, work: _Work) -> State:
        asked = kept.asked()
        model = self._load(asked.request, work.loads)
        card = run_survey(
            model,
            kept.corpus(),
            kept.measured,
            _fitting(asked.settings, model),
            control=work.control,
            seen=work.moved,
        )
        return "done" if card.state == "done" else "stopped"

    def _end(self, kept: KeptSurvey, *, state: State, message: str) -> None:
        """Note how one ended, unless its folder is gone or cannot be written to any more."""
        try:
            kept.change(state=state, message=message)
        except StorageError as error:
            log.warning("How the survey %s ended cannot be noted: %s", kept.name, error)


def _fitting(settings: SurveySettings, model: Model) -> SurveySettings:
    """Choose the length of windows where nobody did."""
    if settings.length is not None:
        return settings
    return replace(settings, length=min(USUAL_LENGTH, model.context_limit or USUAL_LENGTH))


def _elsewhere() -> BusyError:
    return BusyError("This survey is at work elsewhere.", "Let it end there, or stop it there.")
