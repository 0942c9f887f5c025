"""What came of a training: the metric on all that is unseen, beside its baseline, and the best head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from viz.analysis.head_scores import BestHead, HeadScores
from viz.models.custom.transformers_models import LoupeModel
from viz.models.model import Model
from viz.training.evaluation import tried
from viz.training.task import Baseline, Loaded, Task
from viz.training.task_examples import test_batches
from viz.training.training_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training.

    Attributes:
        value: of the task's metric, on all unseen examples.
        examples: how many those are.
        baseline: what does the same without attention; None where the task has none.
        best: the head that scores highest.
        is_judged: whether the examples are enough to tell.
        is_solved: whether the value is good enough.
        is_shown: whether the best head's attention shows it.
    """

    value: float
    examples: int
    baseline: Baseline | None
    best: BestHead
    is_judged: bool
    is_solved: bool
    is_shown: bool


def outcome_of(task: Task, loaded: Loaded, model: Model) -> Outcome:
    """Try a custom model on every unseen example of a task, and score its heads."""
    module = cast(LoupeModel, model.module)
    count = len(loaded.examples.test)  # type: ignore[arg-type]
    unseen = test_batches(loaded.examples, task.settings.batch_size, count)
    trial = tried(module, unseen)
    value = trial.accuracy if task.metric == "accuracy" else trial.loss
    baseline = None if task.baseline is None else task.baseline(loaded)
    best = loaded.scores(model).best
    return Outcome(
        value=value,
        examples=count,
        baseline=baseline,
        best=best,
        is_judged=task.judges(count),
        is_solved=task.judges(count) and task.is_solved(value, baseline),
        is_shown=best.score >= task.scored,
    )


def keep_baseline(folder: RunFolder, task: Task, loaded: Loaded) -> None:
    """Measure what does the same without attention, once, on what checkpoints are tried on."""
    if folder.baseline() is not None:
        return
    baseline = task.measured_baseline(loaded, folder.about().settings.test_examples)
    if baseline is not None:
        folder.keep_baseline(baseline)


def best_score(scores: HeadScores) -> dict[str, float]:
    """Return what a checkpoint's line tells of its best head; nothing where no head has a score."""
    if not np.isfinite(scores.scores).any():
        return {}
    return {"score": scores.best.score, "uniform": scores.best.uniform}
