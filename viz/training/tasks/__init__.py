"""The tasks that small models learn here, one file each."""

from __future__ import annotations

from difflib import get_close_matches

from viz.errors import InputError
from viz.training.task import Task
from viz.training.tasks import (
    digits,
    forecasting,
    induction,
    language,
    reverse,
    sentiment,
    sessions,
    sorting,
)

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (
        induction,
        reverse,
        sorting,
        language,
        sentiment,
        digits,
        forecasting,
        sessions,
    )
}


def find_task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        InputError: there is none of that name.
    """
    task = TASKS.get(name)
    if task is None:
        near = get_close_matches(name, TASKS, n=1)
        raise InputError(
            f"There is no task {name!r:.40}.",
            f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(TASKS)}.",
        )
    return task
