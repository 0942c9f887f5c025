"""The files of `assets/data`; where they come from is in `SOURCES.md` there."""

from __future__ import annotations

import lzma
from pathlib import Path

import pandas as pd

from viz.errors import StorageError

DATA = Path(__file__).resolve().parents[2] / "assets" / "data"

# The texts that a language model may learn from, by what a page calls them.
TEXTS = {
    "shakespeare": "Shakespeare's plays",
    "moby-dick": "Moby-Dick",
    "addresses": "Presidents' addresses to Congress",
}


def text_of(name: str) -> str:
    """Read one of `TEXTS`.

    Raises:
        StorageError: it is not there, or damaged.
    """
    path = DATA / f"{name}.txt.xz"
    try:
        return lzma.decompress(path.read_bytes()).decode()
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise _missing(path) from error


def table_of(name: str) -> pd.DataFrame:
    """Read a table; "nan" and "null" are words in it like others.

    Raises:
        StorageError: it is not there, or damaged.
    """
    path = DATA / f"{name}.csv"
    try:
        return pd.read_csv(path, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise _missing(path) from error


def _missing(path: Path) -> StorageError:
    return StorageError(
        f"The data in {path.name} cannot be read.",
        "Bring assets/data back, as it was cloned, or make it anew with scripts/data.py.",
    )
