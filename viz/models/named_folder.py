"""Folders of what visitors began, each under a name that nobody guesses: whoever has the name may look."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

NAME_BYTES = 12
NAME = re.compile(r"[0-9a-f]{24}")


def new_name() -> str:
    """Return a name that nobody guesses."""
    return secrets.token_hex(NAME_BYTES)


def find_named(root: Path, name: str, file: str) -> Path | None:
    """Find the folder of a name; None where there is none, or where it does not hold its file.

    Args:
        root: that such folders are in; no name leads out of it.
        name: of the folder.
        file: that tells what is in it.
    """
    path = root / name
    return path if NAME.fullmatch(name) and (path / file).is_file() else None


def throw_away(path: Path) -> None:
    """Delete a folder, at once to all who look for it, so that nobody finds half of it.

    Raises:
        OSError: it cannot be deleted.
    """
    shutil.rmtree(path.rename(path.with_name(f"{path.name}.gone")))
