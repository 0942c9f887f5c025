"""Files by digest, so that a link can name one."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from viz.errors import StorageError

# Oldest files go first beyond this many.
KEPT_FILES = 200

NAME = re.compile(r"[0-9a-f]{40}(\.[a-z0-9]{2,4})?")


@dataclass(frozen=True, slots=True)
class FileStore:
    """A folder of files, each named by a digest that only its readers can know.

    Attributes:
        folder: where they lie.
        what: one of them is called, for messages.
    """

    folder: Path
    what: str

    def put(self, content: bytes, suffix: str = "") -> str:
        """Keep a file and return its name.

        Raises:
            StorageError: the folder cannot be written.
        """
        name = hashlib.sha256(content).hexdigest()[:40] + suffix
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self.folder / name
            if not path.exists():
                _put(content, path)
                self._forget_oldest()
        except OSError as error:
            raise StorageError(
                f"The {self.what} could not be kept for links: {error}.",
                "Links to this view will not work until there is space.",
            ) from error
        return name

    def path(self, name: str) -> Path:
        """Return where a file lies.

        Raises:
            StorageError: it is no such name, or the file is not kept here.
        """
        path = self.folder / name
        if not NAME.fullmatch(name) or not path.is_file():
            raise StorageError(
                f"The link names a {self.what} that is not kept on this machine.", "Give it again."
            )
        return path

    def _forget_oldest(self) -> None:
        ages = {}
        for path in self.folder.glob("[0-9a-f]*"):
            with contextlib.suppress(FileNotFoundError):  # another thread forgot it first
                ages[path] = path.stat().st_mtime
        for path in sorted(ages, key=lambda path: ages[path])[:-KEPT_FILES]:
            path.unlink(missing_ok=True)


def _put(content: bytes, path: Path) -> None:
    """Write a file whole or not at all: where the disk is full, nothing is left of it that would keep it so."""
    # Temporary files are their owner's alone, and each thread has one of its own.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
        beside = Path(partial.name)
        try:
            partial.write(content)
            partial.flush()
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    beside.replace(path)
