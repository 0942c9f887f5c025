"""The tasks that small models learn here, one file each."""

from __future__ import annotations

from viz.registry import Registry
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

TASKS: Registry[Task] = Registry("task")

# In the order in which the page lists them; a new task is a file here, and its name in this line.
for _module in (induction, reverse, sorting, language, sentiment, digits, forecasting, sessions):
    TASKS.add(_module.TASK)


def find_task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        InputError: there is none of that name.
    """
    return TASKS.find(name)
