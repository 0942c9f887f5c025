"""A training on disk: what was asked, what happened, and every checkpoint as a folder to open.

run.json                    the task, the settings, the model, how it stands
text.txt                    the user's own text, where it learns from that
log.jsonl                   a line a step: loss, learning rate
trials.jsonl                a line a checkpoint: loss and accuracy on unseen examples, and the score of its
                            best head where the task has a pattern to be scored by
baseline.json               what does the same without attention
checkpoints/step-000050/    config.json, model.safetensors, the tokenizer
memory-000050.safetensors   what the optimiser remembers, of the latest checkpoint
tensorboard/                the same figures for TensorBoard
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from viz.errors import DivergedError, GoneError, StorageError
from viz.models.custom.model_options import TransformerOptions
from viz.models.folders import cache_folder
from viz.models.named_folder import find_named, new_name
from viz.models.whole_file import write_whole
from viz.training.folder_lock import not_kept
from viz.training.task import Baseline
from viz.training.training_log import Line, Notes
from viz.training.training_settings import Settings

State = Literal["waiting", "running", "paused", "done", "cancelled", "failed"]

RUN = "run.json"
CHECKPOINTS = "checkpoints"
OWN_TEXT = "text.txt"
BASELINE = "baseline.json"


@dataclass(frozen=True, slots=True)
class About:
    """What a training is, and how it stands.

    Attributes:
        task: its name.
        settings: how it is trained.
        options: what the model is made of.
        state: see `State`.
        message: why it failed, for its user.
        diverged: the step at which its loss was seen to grow; None where it was not.
        text_name: what its user calls the text that it learns from; empty for the task's own.
        begun: when, in seconds since 1970; None where nobody noted it.
        browser: digest of the name of the browser that began it, which may throw it away; empty where it has none.
    """

    task: str
    settings: Settings
    options: TransformerOptions
    state: State = "waiting"
    message: str = ""
    diverged: int | None = None
    text_name: str = ""
    begun: float | None = None
    browser: str = ""


class RunFolder:
    """One training's folder.

    Args:
        path: of the folder, which is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, about: About, root: Path | None = None, text: str | None = None) -> RunFolder:
        """Make a folder of a new name; a text of the user's own goes into it.

        Raises:
            StorageError: it cannot be made.
        """
        path = (root or runs_root()) / new_name()
        try:
            (path / CHECKPOINTS).mkdir(parents=True)
            if text is not None:
                (path / OWN_TEXT).write_text(text, encoding="utf-8")
        except OSError as error:
            raise _no_place(path.parent, error, root) from error
        folder = cls(path)
        folder.write(replace(about, begun=time.time()))
        return folder

    @classmethod
    def open(cls, name: str, root: Path | None = None) -> RunFolder:
        """Find a training by its name.

        Raises:
            GoneError: there is none of that name.
        """
        path = find_named(root or runs_root(), name, RUN)
        if path is None:
            raise GoneError("There is no training of that name.", "Start one on the Train page.")
        return cls(path)

    @property
    def name(self) -> str:
        """Its unguessable name."""
        return self.path.name

    def about(self) -> About:
        """Read what it is and how it stands.

        Raises:
            StorageError: that cannot be read.
        """
        try:
            told = json.loads((self.path / RUN).read_text())
            return About(
                **{
                    **told,
                    "settings": Settings(**told["settings"]),
                    "options": TransformerOptions(**told["options"]),
                }
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError("What this training is cannot be read.", "Start it anew.") from error

    def write(self, about: About) -> None:
        """Write what it is and how it stands, in one piece.

        Raises:
            StorageError: that cannot be written.
        """
        self._write(RUN, json.dumps(asdict(about), indent=2))

    def change(self, **fields: Any) -> About:
        """Change some of that.

        Raises:
            StorageError: it cannot be read, or cannot be written.
        """
        about = replace(self.about(), **fields)
        self.write(about)
        return about

    def text(self) -> str | None:
        """Read the user's own text; None where there is none."""
        path = self.path / OWN_TEXT
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def checkpoint(self, step: int) -> Path:
        """Say where the checkpoint of a step lies."""
        return self.path / CHECKPOINTS / f"step-{step:06d}"

    def steps(self) -> list[int]:
        """List the steps of which there are checkpoints, in order."""
        found = (self.path / CHECKPOINTS).glob("step-*/model.safetensors")
        return sorted(int(path.parent.name.removeprefix("step-")) for path in found)

    def memory(self, step: int) -> Path:
        """Say where the optimiser's memory of a step lies."""
        return self.path / f"memory-{step:06d}.safetensors"

    def latest(self) -> int | None:
        """Return the last step that can be gone on from; None where there is none."""
        steps = [step for step in self.steps() if self.memory(step).is_file()]
        return steps[-1] if steps else None

    def forget_memory(self, before: int) -> None:
        """Let go of the memory of earlier steps."""
        for path in self.path.glob("memory-*.safetensors"):
            if path != self.memory(before):
                path.unlink(missing_ok=True)

    def note(self, log: str, **fields: float) -> None:
        """Append a line to a log; what is no number is null."""
        told = {name: None if math.isnan(value) else value for name, value in fields.items()}
        with (self.path / f"{log}.jsonl").open("a") as lines:
            lines.write(json.dumps(told) + "\n")

    def notes(self, log: str) -> list[Line]:
        """Read a log; of steps that were made twice, after a stop, the later lines."""
        return self.growing(log).read()

    def growing(self, log: str) -> Notes:
        """Return a log that is read again and again while it grows."""
        return Notes(self.path / f"{log}.jsonl")

    def keep_baseline(self, baseline: Baseline) -> None:
        """Keep what does the same without attention.

        Raises:
            StorageError: it cannot be written.
        """
        self._write(BASELINE, json.dumps(asdict(baseline)))

    def _write(self, file: str, content: str) -> None:
        try:
            write_whole(self.path / file, content.encode(), makes_folders=False)
        except OSError as error:
            raise not_kept(self.path, error) from error

    def baseline(self) -> Baseline | None:
        """Return that; None where there is none, or none yet."""
        try:
            return Baseline(**json.loads((self.path / BASELINE).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def require_sound(about: About) -> None:
    """Make sure that a training was not lost: nothing goes on from weights that are spoilt.

    Raises:
        DivergedError: it was, in the words in which it was said before.
    """
    if about.diverged is not None:
        raise DivergedError(about.message, step=about.diverged)


def _no_place(folder: Path, error: OSError, given: Path | None) -> StorageError:
    """Say that no training can be kept in a folder, which somebody gave or which is the usual one."""
    return StorageError(
        f"The training cannot be kept in {folder}: {error.strerror or error}.",
        "Let LOUPE_CACHE name a folder that can be written to."
        if given is None
        else "Choose a folder that can be written to.",
    )


def runs_root() -> Path:
    """Return where trainings are kept, inside what pages may open models from."""
    return cache_folder() / "models" / "runs"
