"""What holds of trainings and of surveys alike: each has a thread that outlives its page, and a folder that outlives both."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from viz.errors import BusyError, LoupeError, StorageError

log = logging.getLogger(__name__)

# How long one that was stopped may take to end before it goes on, in seconds.
ENDS = 30.0

# What may be at work, paused or waiting, of everybody together.
MOST_WAITING = 20

DEFECT = "This is a defect in Attention Loupe; the log has its details."


def require_place(waiting: int, what: str) -> None:
    """Make sure that one more may wait.

    Args:
        waiting: how many are at work, paused or waiting.
        what: they are, such as `trainings`.

    Raises:
        BusyError: too many are.
    """
    if waiting >= MOST_WAITING:
        raise BusyError(
            f"{waiting} {what} are at work, paused, or wait for their turn.",
            "Try again when one has ended.",
        )


def why_ended(
    error: Exception, folder: Path, what: str, not_kept: Callable[[Path, OSError], StorageError]
) -> str:
    """Say for a user why work could not go on; a defect is logged.

    Args:
        error: that ended it.
        folder: of the work.
        what: it is, such as `training`.
        not_kept: says that the folder cannot be written to.
    """
    if isinstance(error, LoupeError):
        return str(error)
    if isinstance(error, OSError):
        return str(not_kept(folder, error))
    log.error("The %s failed", what, exc_info=error)
    return DEFECT
