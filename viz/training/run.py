"""A training that is kept: followed step by step, paused, stopped, gone on with another day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_model
from tensorboardX import SummaryWriter
from transformers import PreTrainedTokenizerBase

from viz.errors import CancelledError, LoupeError, TrainingError
from viz.models.custom.folder import build_model, save_model
from viz.models.custom.pretrained import LoupeModel
from viz.training.examples import Examples
from viz.training.folder import About, RunFolder
from viz.training.loop import Moment, train
from viz.training.trial import Trial

# Lines of a log that are written at a time; a line a step would cost more than a small step does.
LINES = 20


class Control:
    """What others may ask of a training, from any thread.

    Args:
        turns: of which the training has taken one; given back while it is paused.
    """

    def __init__(self, turns: threading.Semaphore | None = None) -> None:
        self._turns = turns
        self._going = threading.Event()
        self._going.set()
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end."""
        return self._stopped

    @property
    def is_paused(self) -> bool:
        """Whether it waits to be told to go on."""
        return not self._going.is_set()

    def pause(self) -> None:
        """Let it wait after its step."""
        self._going.clear()

    def go_on(self) -> None:
        """Let it go on."""
        self._going.set()

    def stop(self) -> None:
        """Let it end after its step; what was learnt until then is kept."""
        self._stopped = True
        self._going.set()

    def wait(self, paused: Callable[[bool], None]) -> None:
        """Wait while it is paused, saying when that begins and ends.

        Raises:
            CancelledError: it was stopped.
        """
        if self.is_paused and not self._stopped:
            paused(True)
            if self._turns is not None:
                self._turns.release()
            self._going.wait()
            if self._turns is not None:
                self._turns.acquire()
            paused(False)
        if self._stopped:
            raise CancelledError("The training was stopped.")


def run(
    folder: RunFolder,
    examples: Examples,
    tokenizer: PreTrainedTokenizerBase | None,
    control: Control,
    *,
    begin: Callable[[LoupeModel], None] | None = None,
    device: str = "cpu",
    seen: Callable[[Moment], None] | None = None,
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

    Returns:
        How it ended; whatever goes wrong for a user's reason is in its message.
    """
    about = folder.about()
    if about.state == "done":
        return about
    try:
        listener = _Kept(folder, tokenizer, control, seen or _nothing)
        start = folder.latest()
        module = build_model(about.options, tokenizer, seed=about.settings.seed)
        if start is None and begin is not None:
            begin(module)
        if start is not None:
            load_model(module, folder.checkpoint(start) / "model.safetensors")
        listener.module = module
        folder.change(state="running", message="")
        try:
            train(
                module,
                examples,
                about.settings,
                listener,
                start=start or 0,
                memory=None if start is None else folder.memory(start),
                device=device,
            )
        finally:
            listener.close()
        return folder.change(state="done")
    except CancelledError:
        return folder.change(state="cancelled")
    except LoupeError as error:
        return folder.change(state="failed", message=str(error))
    except OSError as error:
        said = TrainingError(
            f"The training cannot be kept: {error.strerror or error}.", "Make room on the disk."
        )
        return folder.change(state="failed", message=str(said))


class _Kept:
    """Keeps everything that a training says in its folder."""

    module: LoupeModel

    def __init__(
        self,
        folder: RunFolder,
        tokenizer: PreTrainedTokenizerBase | None,
        control: Control,
        seen: Callable[[Moment], None],
    ) -> None:
        self.folder, self.tokenizer, self.control, self.seen = folder, tokenizer, control, seen
        self.board = SummaryWriter(str(folder.path / "tensorboard"))
        self.waiting: list[Moment] = []

    def moved(self, moment: Moment) -> None:
        """Note a step, and do what was asked meanwhile."""
        self.waiting.append(moment)
        if len(self.waiting) >= LINES:
            self.flush()
        self.seen(moment)
        self.control.wait(self._paused)

    def keep(self, step: int, trial: Trial, remember: Callable[[Path], None]) -> None:
        """Keep a checkpoint; it counts once the optimiser's memory is there too."""
        self.flush()
        save_model(self.module, self.folder.checkpoint(step), self.tokenizer)
        if step:
            remember(self.folder.memory(step))
            self.folder.forget_memory(step)
        self.folder.note("trials", step=step, loss=trial.loss, accuracy=trial.accuracy)
        self.board.add_scalar("test/loss", trial.loss, step)
        self.board.add_scalar("test/accuracy", trial.accuracy, step)
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

    def _paused(self, paused: bool) -> None:
        self.flush()
        self.folder.change(state="paused" if paused else "running")


def _nothing(_: Moment) -> None:
    """Go on."""
