"""Long texts by digest, so that a link can name one."""

from __future__ import annotations

import hashlib
import os
import re
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
        """Keep a text and return its digest."""
        content = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(content).hexdigest()[:40]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / digest
        if not path.exists():
            partial = self.folder / f".{digest}.{os.getpid()}"
            partial.write_bytes(content)
            partial.replace(path)
            self._forget_oldest()
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
        kept = sorted(self.folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-KEPT_TEXTS]:
            path.unlink(missing_ok=True)
