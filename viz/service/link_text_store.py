"""Long texts by digest, so that a link can name one."""

from __future__ import annotations

from pathlib import Path

from viz.service.file_store import FileStore


class TextStore:
    """A folder of texts; see `FileStore`."""

    def __init__(self, folder: Path) -> None:
        self.files = FileStore(folder, "long text")

    def put(self, text: str) -> str:
        """Keep a text and return its digest.

        Raises:
            StorageError: the folder cannot be written.
        """
        return self.files.put(text.encode("utf-8", "surrogatepass"))

    def get(self, digest: str) -> str:
        """Return the text of a digest.

        Raises:
            StorageError: it is no digest, or the text is not kept here.
        """
        return self.files.path(digest).read_bytes().decode("utf-8", "surrogatepass")
