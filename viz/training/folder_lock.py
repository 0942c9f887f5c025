"""Who works in the folder of a training, of all processes of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock, Timeout

from viz.errors import BusyError, StorageError

LOCK = "work.lock"

# Who holds it, in a word; beside the lock, as whoever looks whether that is held empties it.
HOLDER = "work.by"

Holder = Literal["page", "terminal"]

# Who only looks whether a folder is held holds it for a moment, in seconds.
MOMENT = 2.0

WHERE = {
    "page": ("on a Train page", "Let it end there, or press Stop there."),
    "terminal": (
        "in a terminal, as `loupe train`",
        "Let it end there, or stop it there with Ctrl+C.",
    ),
}


@contextmanager
def held(folder: Path, by: Holder = "terminal") -> Iterator[None]:
    """Hold a folder while a training works in it.

    Args:
        folder: of the training.
        by: where whoever meets it finds what works.

    Raises:
        BusyError: a training of another process, or of another thread, holds it.
        StorageError: the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=MOMENT)
    except Timeout as error:
        raise at_work_elsewhere(folder) from error
    except OSError as error:
        raise not_kept(folder, error) from error
    try:
        with suppress(OSError):
            (folder / HOLDER).write_text(by)
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a training works in a folder at this moment, in whatever process.

    In one that cannot be written to nothing can work.
    """
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def holder(folder: Path) -> Holder:
    """Say who holds a folder that is held."""
    with suppress(OSError, ValueError):
        told = (folder / HOLDER).read_text()
        for one in get_args(Holder):
            if told == one:
                return one  # type: ignore[no-any-return]
    return "terminal"


def at_work_elsewhere(folder: Path) -> BusyError:
    """Say that a training cannot be gone on with twice."""
    where, hint = WHERE[holder(folder)]
    return BusyError(f"This training is at work elsewhere: {where}.", hint)


def not_kept(folder: Path, error: OSError) -> StorageError:
    """Say that a training's folder cannot be written to."""
    return StorageError(
        f"Nothing can be written to {folder}: {error.strerror or error}.",
        "Let the folder be written to; what is kept in it can be looked at as it is.",
    )
