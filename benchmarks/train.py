"""Learn tasks by their own settings: time, the metric on all unseen examples, and the best head's score.

`python -m benchmarks.train [task ...] [--seeds 3]`; all tasks by default. Prints a line a seed, and the
baseline without attention where there is one.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from viz.capture.load_and_wrap_model import wrap_model
from viz.models.custom import build_model
from viz.training.evaluation import Trial
from viz.training.final_scores import outcome_of
from viz.training.task import Task
from viz.training.tasks import TASKS, find_task
from viz.training.training_loop import Moment, train


class Silent:
    """Hears of a training, and keeps nothing."""

    def moved(self, moment: Moment) -> None:
        """Go on."""

    def keep(self, step: int, trial: Trial, remember: object) -> Path | None:
        """Keep nothing."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name in options.tasks:
        task = find_task(name)
        for seed in range(options.seeds):
            measure(task, seed)


def measure(task: Task, seed: int) -> None:
    """Learn a task once, from loading on."""
    start, worked = time.perf_counter(), time.process_time()
    loaded = task.load(seed)
    model = build_model(loaded.options, loaded.tokenizer, seed=seed)
    if loaded.begin is not None:
        loaded.begin(model)
    train(model, loaded.examples, replace(task.settings, seed=seed), Silent())
    seconds, cpu = time.perf_counter() - start, time.process_time() - worked
    told = outcome_of(task, loaded, wrap_model(model.eval(), loaded.tokenizer))
    best = told.best
    print(
        f"{task.name} seed {seed}: {seconds:.0f} s ({cpu:.0f} s of CPU), "
        f"{task.metric} {told.value:.3f} {'solved' if told.is_solved else 'NOT SOLVED'}, "
        f"layer {best.layer} head {best.head} scores {best.score:.2f} of {best.uniform:.2f} "
        f"{'as it should' if told.is_shown else 'TOO LITTLE'}"
        f"{'' if told.baseline is None else f', {told.baseline.name}: {told.baseline.value:.3f}'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
