"""Long texts by digest, so that a link can name one."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from viz.errors import StorageError

# Oldest texts go first beyond this many.
KEPT_TEXTS = 200

DIGEST = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class TextStore:
    """A folder of texts, each named by a digest that only its readers can know."""

    folder: Path

    def put(self, text: str) -> str:
        """Keep a text and return its digest.

        Raises:
            StorageError: the folder cannot be written.
        """
        content = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(content).hexdigest()[:40]
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self.folder / digest
            if not path.exists():
                # Temporary files are their owner's alone, and each thread has one of its own.
                with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as partial:
                    partial.write(content)
                Path(partial.name).replace(path)
                self._forget_oldest()
        except OSError as error:
            raise StorageError(
                f"The long text could not be kept for links: {error}.",
                "Links to this view will not work until there is space.",
            ) from error
        return digest

    def get(self, digest: str) -> str:
        """Return the text of a digest.

        Raises:
            StorageError: it is no digest, or the text is not kept here.
        """
        path = self.folder / digest
        if not DIGEST.fullmatch(digest) or not path.exists():
            raise StorageError(
                "The link names a long text that is not kept on this machine.",
                "Paste the text again.",
            )
        return path.read_bytes().decode("utf-8", "surrogatepass")

    def _forget_oldest(self) -> None:
        ages = {}
        for path in self.folder.glob("[0-9a-f]*"):
            with contextlib.suppress(FileNotFoundError):  # another thread forgot it first
                ages[path] = path.stat().st_mtime
        for path in sorted(ages, key=lambda path: ages[path])[:-KEPT_TEXTS]:
            path.unlink(missing_ok=True)
