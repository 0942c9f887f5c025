"""What a person types to call the `loupe` command here."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

NAME = "loupe"

# Exit status of what Ctrl+C stopped, as shells number it.
STOPPED = 130


def typed(*arguments: str) -> str:
    """Return a call of the command, with its path where the name alone would not find it."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name(NAME)
    if called.stem == NAME:
        name = str(called)
    elif shutil.which(NAME) is None and beside.is_file():
        name = str(beside)
    else:
        name = NAME
    return shlex.join([_from_here(name), *arguments])


@contextmanager
def stopped_by_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl+C stop what is at work at its next step, and a second end it."""
    usual = signal.getsignal(signal.SIGINT)

    def heard(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        stop()

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _from_here(path: str) -> str:
    """Shorten a path into the current folder."""
    return path.removeprefix(f"{Path.cwd()}{os.sep}")
