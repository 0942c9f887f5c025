"""A training that is kept: followed step by step, paused, stopped, gone on with another day."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model
from tensorboardX import SummaryWriter
from transformers import PreTrainedTokenizerBase

from viz.capture.load_and_wrap_model import wrap_model
from viz.errors import CancelledError, DivergedError, LoupeError, TrainingError
from viz.models.custom.model_folder import build_model, save_model
from viz.models.custom.transformers_models import LoupeModel
from viz.models.model import Model
from viz.models.work_control import WorkControl
from viz.training.evaluation import Trial
from viz.training.folder_lock import Holder, held
from viz.training.task_examples import Examples
from viz.training.training_folder import About, RunFolder, State, require_sound
from viz.training.training_loop import Moment, train
from viz.training.training_queue import Turn, wait_to_go_on

# Lines of a log that are written at a time; a line a step would cost more than a small step does.
LINES = 20

# Measures a checkpoint beyond its trial; what it returns is noted beside that.
Measure = Callable[[int, Model], Mapping[str, float]]


def run(
    folder: RunFolder,
    examples: Examples,
    tokenizer: PreTrainedTokenizerBase | None,
    control: WorkControl,
    *,
    begin: Callable[[LoupeModel], None] | None = None,
    device: str = "cpu",
    seen: Callable[[Moment], None] | None = None,
    measure: Measure | None = None,
    by: Holder = "terminal",
    turn: Turn | None = None,
) -> About:
    """Train what a folder describes, from its latest checkpoint on.

    Args:
        folder: where it is kept; a training that is done is not touched.
        examples: to learn from and to be tried on.
        tokenizer: that goes into every checkpoint.
        control: pauses and stops it.
        begin: gives a new model what it begins with.
        device: to train on.
        seen: hears of every step.
        measure: looks at the model at every checkpoint; one that it cannot look at is kept all the same.
        by: where whoever meets it at work finds it.
        turn: that it has taken, which another has while it is paused; None where nothing waits for turns.

    Returns:
        How it ended; whatever goes wrong for a user's reason is in its message.

    Raises:
        BusyError: it is at work elsewhere; nothing of it is touched.
        DivergedError: it was lost before, and its weights are spoilt.
        StorageError: its folder cannot be written to, or is gone.
    """
    if (about := folder.about()).state == "done":
        return about
    with held(folder.path, by):
        about = folder.about()
        if about.state == "done":
            return about
        require_sound(about)
        listens = _Listens(control, turn, seen or _nothing, measure)
        return _run(folder, about, examples, tokenizer, listens, begin, device)


def _run(
    folder: RunFolder,
    about: About,
    examples: Examples,
    tokenizer: PreTrainedTokenizerBase | None,
    listens: _Listens,
    begin: Callable[[LoupeModel], None] | None,
    device: str,
) -> About:
    try:
        listener = _Kept(folder, tokenizer, listens)
        start = folder.latest()
        module = build_model(about.options, tokenizer, seed=about.settings.seed)
        if start is None and begin is not None:
            begin(module)
        if start is not None:
            load_model(module, folder.checkpoint(start) / "model.safetensors")
        listener.module = module
        folder.change(state="running", message="", diverged=None)
        try:
            train(
                module,
                examples,
                about.settings,
                listener,
                start=start or 0,
                memory=None if start is None else folder.memory(start),
                began=_began(folder),
                device=device,
            )
        finally:
            listener.close()
        return folder.change(state="done")
    except CancelledError:
        return folder.change(state="cancelled")
    except DivergedError as error:
        return folder.change(state="failed", message=str(error), diverged=error.step)
    except LoupeError as error:
        return folder.change(state="failed", message=str(error))
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        said = TrainingError(f"The training cannot be kept: {why}.", "Make room on the disk.")
        return folder.change(state="failed", message=str(said))


@dataclass(frozen=True, slots=True)
class _Listens:
    """What a training is asked, and who hears of it; see `run`."""

    control: WorkControl
    turn: Turn | None
    seen: Callable[[Moment], None]
    measure: Measure | None


class _Kept:
    """Keeps everything that a training says in its folder."""

    module: LoupeModel

    def __init__(
        self,
        folder: RunFolder,
        tokenizer: PreTrainedTokenizerBase | None,
        listens: _Listens,
    ) -> None:
        self.folder, self.tokenizer, self.listens = folder, tokenizer, listens
        self.model: Model | None = None
        self.board = SummaryWriter(str(folder.path / "tensorboard"))
        self.waiting: list[Moment] = []

    def moved(self, moment: Moment) -> None:
        """Note a step, and do what was asked meanwhile."""
        self.waiting.append(moment)
        if len(self.waiting) >= LINES:
            self.flush()
        self.listens.seen(moment)
        wait_to_go_on(self.listens.control, self.listens.turn, self._told)

    def keep(self, step: int, trial: Trial, remember: Callable[[Path], None]) -> None:
        """Keep a checkpoint; it counts once the optimiser's memory is there too."""
        self.flush()
        save_model(self.module, self.folder.checkpoint(step), self.tokenizer)
        if step:
            remember(self.folder.memory(step))
            self.folder.forget_memory(step)
        measured = self._measured(step)
        self.folder.note(
            "trials",
            step=step,
            loss=trial.loss,
            accuracy=trial.accuracy,
            examples=trial.examples,
            **measured,
        )
        told = {"test/loss": trial.loss, "test/accuracy": trial.accuracy}
        told |= {f"attention/{name}": value for name, value in measured.items()}
        for name, value in told.items():
            if not math.isnan(value):  # of numbers no share can be right
                self.board.add_scalar(name, value, step)
        self.board.flush()

    def flush(self) -> None:
        """Write what waits to be written."""
        for moment in self.waiting:
            self.folder.note(
                "log", step=moment.step, loss=moment.loss, learning_rate=moment.learning_rate
            )
            self.board.add_scalar("train/loss", moment.loss, moment.step)
            self.board.add_scalar("train/learning rate", moment.learning_rate, moment.step)
        self.waiting.clear()

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        self.board.close()

    def _measured(self, step: int) -> Mapping[str, float]:
        """Look at the model as it is when nothing is dropped out; its mode is left as it was."""
        if self.listens.measure is None:
            return {}
        was_training = self.module.training
        try:
            if self.model is None:
                self.model = wrap_model(self.module, self.tokenizer)
            self.module.eval()
            return self.listens.measure(step, self.model)
        except LoupeError:
            return {}  # whoever looks at this checkpoint is told why
        finally:
            self.module.train(was_training)

    def _told(self, state: State) -> None:
        self.flush()
        self.folder.change(state=state)


def _began(folder: RunFolder) -> float:
    """Return the loss of a training's first step; NaN where there was none."""
    log = folder.notes("log")
    return log[0]["loss"] if log else math.nan


def _nothing(_: Moment) -> None:
    """Go on."""
