"""`loupe train`: a small model learns a task in the terminal, and is kept where the Train page finds it."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from viz.capture.load_and_wrap_model import load_model
from viz.command import STOPPED, stopped_by_ctrl_c, typed
from viz.errors import InputError, LoupeError, StorageError
from viz.models.folders import plain_path
from viz.models.whole_file import write_whole
from viz.models.work_control import WorkControl
from viz.training.cpu_threads import few_threads
from viz.training.final_scores import Outcome, best_score, keep_baseline, outcome_of
from viz.training.folder_lock import at_work_elsewhere, is_held
from viz.training.model_card import model_card, said
from viz.training.task import Loaded, Probe, Task
from viz.training.tasks import TASKS, find_task
from viz.training.training_folder import About, RunFolder, require_sound, runs_root
from viz.training.training_loop import Moment
from viz.training.training_request import asked_options, asked_settings
from viz.training.training_run import run
from viz.training.user_text import read_text, require_small

# Where the app listens, unless it was told otherwise.
APP = "http://127.0.0.1:8501"

# Exit status of a training that failed.
FAILED = 1

# What each option is called where it ends up.
OF_MODEL = {"layers": "layers", "heads": "heads", "width": "d_model", "positions": "positions"}
OF_TRAINING = ("steps", "learning_rate", "batch_size", "seed", "keep_every")

# And what was typed for what.
TYPED = {
    field: f"--{name.replace('_', '-')}"
    for name, field in (*OF_MODEL.items(), *zip(OF_TRAINING, OF_TRAINING, strict=True))
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what `loupe train` takes; what is left out is as the task has it."""
    parser.add_argument("task", nargs="?", help=f"{', '.join(TASKS)}; none lists them")
    parser.add_argument("--list", action="store_true", help="list the tasks")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--heads", type=int, help="of each attention")
    parser.add_argument("--width", type=int, help="of a token; heads divide it")
    parser.add_argument("--positions", help="none, sinusoidal, learned, rotary or alibi")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seed", type=int, help="of weights, examples and their order")
    parser.add_argument("--keep-every", type=int, help="steps between checkpoints")
    parser.add_argument("--text", metavar="FILE", help="a text of your own to learn from")
    parser.add_argument("--out", metavar="FOLDER", help="where trainings are kept")
    parser.add_argument("--resume", metavar="NAME", help="go on with a training that was stopped")


def train_command(options: argparse.Namespace) -> int:
    """Train, and print what came of it.

    Returns:
        The exit status.

    Raises:
        LoupeError: what was asked for does not fit.
    """
    if options.list or not (options.task or options.resume):
        _list_tasks()
        return 0
    with few_threads():
        return _train(options)


def _train(options: argparse.Namespace) -> int:
    root = None if options.out is None else plain_path(options.out).resolve()
    if options.resume:
        folder, task, loaded = _kept(options, root)
    else:
        folder, task, loaded = _new(options, root)
    about = folder.about()
    if about.state == "done":
        _tell(folder, task, loaded)
        return 0
    print(f"{task.title}: {' '.join((task.learns, *loaded.notes))}")
    print(f"It is kept in {folder.path}")
    keep_baseline(folder, task, loaded)
    given = (loaded.examples, loaded.tokenizer)
    with _following(folder, about) as (control, seen):
        about = run(
            folder,
            *given,
            control,
            begin=loaded.begin,
            seen=seen,
            measure=lambda _, model: best_score(loaded.scores(model)),
        )
    if about.state == "done":
        _tell(folder, task, loaded)
        return 0
    if about.state == "failed":
        print(about.message, *_best_kept(folder), sep="\n", file=sys.stderr)
        return FAILED
    latest = folder.latest() or 0
    print(f"Stopped after step {latest:,}; what was learnt is in {folder.checkpoint(latest)}")
    again = ["train", "--resume", folder.name]
    if options.out is not None:
        again += ["--out", options.out]
    print(f"Go on with: {typed(*again)}")
    return STOPPED


def _best_kept(folder: RunFolder) -> list[str]:
    """Name the checkpoint that did best on unseen examples; one of the last steps may be lost already."""
    kept = set(folder.steps())
    trials = [
        (line["loss"], int(line["step"]))
        for line in folder.notes("trials")
        if line["step"] in kept and math.isfinite(line["loss"])
    ]
    if not trials:
        return []
    loss, step = min(trials)
    return [
        f"Of those the best is of step {step:,}, with a loss of {loss:.3f}: {folder.checkpoint(step)}"
    ]


def _list_tasks() -> None:
    for task in TASKS.values():
        own = " Takes a text of your own." if task.takes_text else ""
        print(f"{task.name:12} {task.learns}{own}")


def _new(options: argparse.Namespace, root: Path | None) -> tuple[RunFolder, Task, Loaded]:
    """Make the data and the folder of a training."""
    task = find_task(options.task)
    text = None if options.text is None else _text_of(options.text)
    given = vars(options)
    model = {field: given[name] for name, field in OF_MODEL.items() if given[name] is not None}
    changed = {name: given[name] for name in OF_TRAINING if given[name] is not None}
    # What does not fit is said before the data are made, which takes a moment.
    asked_options(task.options, model, TYPED)
    settings = asked_settings(task.settings, changed, TYPED)
    loaded = task.load(settings.seed, text)
    made = asked_options(loaded.options, model, TYPED)
    called = "" if options.text is None else plain_path(options.text).name
    about = About(task.name, settings, made, text_name=called)
    try:
        return RunFolder.create(about, root, text), task, loaded
    except StorageError as error:
        if root is None:
            raise
        raise StorageError(
            error.message, "Let --out name a folder that can be written to."
        ) from error


def _kept(options: argparse.Namespace, root: Path | None) -> tuple[RunFolder, Task, Loaded]:
    """Find a training, and make its data as they were."""
    given = vars(options)
    settled = [name for name in (*OF_MODEL, *OF_TRAINING, "text") if given[name] is not None]
    if settled:
        raise InputError(
            "A training that goes on stays as it began.",
            f"Leave --{settled[0].replace('_', '-')} out, or begin another one.",
        )
    folder = RunFolder.open(options.resume, root)
    about = folder.about()
    if options.task not in (None, about.task):
        raise InputError(
            f"The training {folder.name} learns {about.task}, not {options.task:.40}.",
            "Leave the task out.",
        )
    # Said before the data are made: they take a moment.
    if is_held(folder.path):
        raise at_work_elsewhere(folder.path)
    require_sound(about)
    task = find_task(about.task)
    return folder, task, task.load(about.settings.seed, folder.text())


def _text_of(name: str) -> str:
    path = plain_path(name)
    try:
        require_small(path.stat().st_size, path.name)
        return read_text(path.read_bytes(), path.name)
    except OSError as error:
        raise StorageError(
            f"The file {name} cannot be read: {error.strerror or error}.", "Check its name."
        ) from error


@contextlib.contextmanager
def _following(folder: RunFolder, about: About) -> Iterator[tuple[WorkControl, Any]]:
    """Draw how far a training is; the first Ctrl+C lets it end after its step, a second ends it."""
    control = WorkControl()
    done = folder.latest() or 0
    with tqdm(total=about.settings.steps, initial=done, desc=about.task, unit="step") as bar:

        def seen(moment: Moment) -> None:
            bar.set_postfix(loss=f"{moment.loss:.3f}", refresh=False)
            bar.update()

        with stopped_by_ctrl_c(control.stop):
            yield control, seen


def _tell(folder: RunFolder, task: Task, loaded: Loaded) -> None:
    """Print what came of it, and how it is looked at."""
    checkpoint = folder.checkpoint(folder.about().settings.steps)
    disable_progress_bar()
    outcome = outcome_of(task, loaded, load_model(checkpoint, device="cpu"))
    for line in said(task, outcome):
        print(line)
    card = model_card(task, folder.about(), loaded, outcome)
    with contextlib.suppress(OSError):  # a folder that is only to be looked at
        write_whole(checkpoint / "README.md", card.encode(), makes_folders=False)
    print(f"Checkpoint: {checkpoint}")
    # The app opens nothing from elsewhere.
    if folder.path.resolve().parent == runs_root().resolve():
        print("While the app runs (`make app`):")
        print(f"  its training  {APP}/train?{urlencode({'run': folder.name})}")
        if link := explore_link(loaded, checkpoint, outcome):
            print(f"  in Explore    {link}")


def example_of(checkpoint: Path) -> Probe | None:
    """Return an unseen example of the task that a checkpoint learnt; None of other folders."""
    path = checkpoint.resolve().parent.parent
    try:
        folder = RunFolder.open(path.name, path.parent)
        about = folder.about()
        return find_task(about.task).load(about.settings.seed, folder.text()).probes[0]
    except LoupeError:
        return None


def explore_link(loaded: Loaded, checkpoint: Path, outcome: Outcome) -> str | None:
    """Return the address at which Explore opens on the best head; None where no text is read."""
    probe = loaded.probes[0]
    if not isinstance(probe.given, str):
        return None
    asked = {
        "model": str(checkpoint),
        "local": 1,
        # What is usual Explore leaves out; were it here, the address would be written anew.
        **({} if probe.stack == "self" else {"stack": probe.stack}),
        "layer": outcome.best.layer,
        "head": outcome.best.head,
        "text": probe.given,
        **({"pair": probe.target} if probe.target else {}),
    }
    return f"{APP}/?{urlencode(asked)}"
