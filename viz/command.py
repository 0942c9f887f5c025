"""What a person types to call the `loupe` command here."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "loupe"


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


def _from_here(path: str) -> str:
    """Shorten a path into the current folder."""
    return path.removeprefix(f"{Path.cwd()}{os.sep}")
