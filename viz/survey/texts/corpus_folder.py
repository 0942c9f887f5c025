"""Where a corpus lies on this machine, and which files it is made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from viz.errors import StorageError, TextError
from viz.survey.texts.corpus_decoding import unreadable
from viz.survey.texts.corpus_files import KINDS

# What a system looks up at most.
LONGEST_PATH = 4_096

ENDINGS = ", ".join(KINDS)


def find_local(source: str, allowed: Sequence[Path] | None) -> Path | None:
    """Find a file or a folder, links followed; None where there is none.

    Args:
        source: its path; a relative one lies in any of the allowed folders, or where Python runs.
        allowed: folders that it must lie in; anywhere if None.

    Raises:
        StorageError: it leads outside the allowed folders, or is no path at all.
    """
    try:
        asked = _plain(source)
        roots = None if allowed is None else [root.expanduser().resolve() for root in allowed]
        if roots is None or asked.is_absolute():
            places = [asked.resolve()]
        else:
            places = [(root / asked).resolve() for root in roots]
        inside = [one for one in places if roots is None or any(map(one.is_relative_to, roots))]
        found = next((one for one in inside if one.exists()), None)
    except PermissionError as error:
        raise unreadable(source, error) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(
            f"There is no file or folder {source:.80}.", "Check the name."
        ) from error
    if places and not inside:
        raise StorageError(
            f"{source:.80} lies outside the folders that texts may be read from.",
            f"Put it into {roots[0]}." if roots else "Name such a folder first.",
        )
    return found


def files_of(path: Path, column: str | None) -> list[tuple[str, Path]]:
    """List the files of a corpus with their names for its user, in an order that is always the same.

    Of a folder, files of the endings that are read, in folders within it too; hidden ones and links
    that lead out of it are left out, and so is plain text where a column was named.

    Raises:
        StorageError: a folder may not be read.
        TextError: there is no such file.
    """
    try:
        return _files(path, column)
    except PermissionError as error:
        raise unreadable(_shown(path.name), error) from error


def _files(path: Path, column: str | None) -> list[tuple[str, Path]]:
    if not path.is_dir():
        if path.suffix.lower() not in KINDS or not path.is_file():
            raise TextError(
                f"{path.name} is of no kind that is read.",
                f"Give a file that ends in {ENDINGS}, or a folder of such.",
            )
        return [(_shown(path.name), path)]
    found = [one for one in _walk(path) if one.suffix.lower() in KINDS]
    if column is not None:
        found = [one for one in found if one.suffix.lower() != ".txt"]
    files = [one for one in found if one.resolve().is_relative_to(path) and one.is_file()]
    if not files:
        without = "with columns " if column is not None else ""
        links = f"; {len(found)} are links that lead out of it" if found else ""
        raise TextError(
            f"The folder {path.name} holds no file {without}that is read{links}.",
            f"Put files into it that end in {ENDINGS}.",
        )
    return [(_shown(one.relative_to(path).as_posix()), one) for one in files]


def _walk(folder: Path) -> list[Path]:
    """List all files under a folder that are not hidden, by their paths."""

    def refuse(error: OSError) -> None:
        raise unreadable(f"The folder {_shown(Path(error.filename).name)}", error) from error

    files: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".")]
        files += [Path(place, one) for one in names if not one.startswith(".")]
    return sorted(files)


def _plain(source: str) -> Path:
    if not source.strip() or "\x00" in source or len(source) > LONGEST_PATH:
        raise StorageError(
            f"{source[:80]!r} names no file.", "Give the name of a file or a folder."
        )
    return Path(source).expanduser()


def _shown(name: str) -> str:
    """Return a name that can be written as UTF-8, whatever bytes it has on disk."""
    return os.fsencode(name).decode("utf-8", "replace")
