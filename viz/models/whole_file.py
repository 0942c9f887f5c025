"""A file that is there whole or not at all, whenever the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a place beside a file's own to write it to, and put it there in one step once it is written.

    Raises:
        OSError: it cannot be put there; what was at its place is still there.
    """
    beside = path.with_name(f"{path.name}.part")
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes, *, makes_folders: bool = True) -> None:
    """Write a file in one piece.

    Args:
        path: of the file.
        content: of it.
        makes_folders: whether folders that are not there are made; where they are somebody's that may be gone meanwhile,
            they must not come back.

    Raises:
        OSError: it cannot be written; what was at its place is still there.
    """
    if makes_folders:
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as beside:
        beside.write_bytes(content)
