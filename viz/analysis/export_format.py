"""What a format is in which a head can be taken along as a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viz.capture.stack import Stack
from viz.registry import Registry


@dataclass(frozen=True, slots=True)
class HeadToExport:
    """A head, and what of it is left out.

    Attributes:
        stack: of the head.
        layer: from 0.
        head: from 0.
        skip_special: whether special tokens are left out.
        skip_key: a key that is left out, such as a sink; None for none.
    """

    stack: Stack
    layer: int
    head: int
    skip_special: bool = False
    skip_key: int | None = None


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format of files that hold a head.

    Attributes:
        name: in file names.
        title: of the button.
        extension: of the file, without the dot.
        media_type: of the file.
        meaning: one line of what the file holds.
        write: makes the file's content.
    """

    name: str
    title: str
    extension: str
    media_type: str
    meaning: str
    write: Callable[[HeadToExport], bytes]

    def file_name(self, exported: HeadToExport) -> str:
        """Name a head's file."""
        return f"{self.name}-layer{exported.layer}-head{exported.head}.{self.extension}"


EXPORT_FORMATS: Registry[ExportFormat] = Registry("export format")
