"""Who works in the folder of a training, of all processes of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from viz.errors import BusyError

LOCK = "work.lock"

# Who only looks whether a folder is held holds it for a moment, in seconds.
MOMENT = 2.0


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder while a training works in it.

    Raises:
        BusyError: a training of another process, or of another thread, holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=MOMENT)
    except Timeout as error:
        raise at_work_elsewhere() from error
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a training works in a folder at this moment, in whatever process."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def at_work_elsewhere() -> BusyError:
    """Say that a training cannot be gone on with twice."""
    return BusyError(
        "This training is at work elsewhere, as by `loupe train` in a terminal.",
        "Let it end there, or stop it there with Ctrl+C.",
    )
