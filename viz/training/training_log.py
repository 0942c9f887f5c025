"""Logs of a training as they grow: each look reads only what was written since the last."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

Line = dict[str, float]


class Notes:
    """One log, a line a step.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: list[Line] = []
        self._lock = threading.Lock()

    def read(self) -> list[Line]:
        """Return all lines so far; of steps that were made twice, after a stop, the later ones."""
        with self._lock:
            for line in self._new():
                # A step that comes again undoes those after it as well.
                while self._lines and self._lines[-1]["step"] >= line["step"]:
                    self._lines.pop()
                self._lines.append(line)
            return list(self._lines)

    def _new(self) -> list[Line]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = (read_line(line) for line in whole.splitlines())
        return [line for line in found if line is not None]


def read_line(line: bytes | str) -> Line | None:
    """Read a line; null is no number, and half a line, of a machine that stopped, is none."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return {name: math.nan if value is None else float(value) for name, value in told.items()}
