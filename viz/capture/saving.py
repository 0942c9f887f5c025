"""A trace written to one safetensors file: tensors as they are, everything else as JSON in its header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from viz.capture.layers.layer_json import Shelf, layer_to_json
from viz.capture.stack import Stack
from viz.errors import StorageError
from viz.inputs.units import Units
from viz.models.argument_checks import kind_of_value

FORMAT = "attention-loupe-trace-1"


class Savable(Protocol):
    """What of a trace a file holds; see `viz.capture.trace.Trace`."""

    @property
    def model(self) -> Any:
        """What was run, a dataclass."""

    @property
    def text(self) -> str | None:
        """The first text."""

    @property
    def pair(self) -> str | None:
        """The second text."""

    @property
    def units(self) -> Units:
        """Of the first text or input."""

    @property
    def stacks(self) -> Mapping[str, Stack]:
        """Runs of layers by name."""

    @property
    def output(self) -> Tensor | None:
        """What the pass returned first."""

    @property
    def unshown(self) -> tuple[str, ...]:
        """Parts that did not show."""


def save_trace(trace: Savable, path: Path) -> None:
    """Write a trace; the file appears whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    shelf = Shelf()
    stacks = {
        name: {
            "queries": stack.queries.to_json(),
            "keys": stack.keys.to_json(),
            "layers": [layer_to_json(record, shelf) for record in stack.records],
        }
        for name, stack in trace.stacks.items()
    }
    header = {
        "model": asdict(trace.model),
        "text": trace.text,
        "pair": trace.pair,
        "units": trace.units.to_json(),
        "stacks": stacks,
        "output": shelf.put(trace.output),
        "unshown": trace.unshown,
    }
    if path.is_dir():
        raise StorageError(f"The trace could not be written: {path} is a folder.", "Name a file.")
    if not path.parent.is_dir():
        raise StorageError(
            f"The trace could not be written to {path}: there is no folder {path.parent}.",
            "Make it first, or choose another.",
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(shelf.tensors, temporary, {"format": FORMAT, "trace": json.dumps(header)})
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"The trace could not be written to {path}: {error}.",
            "Choose a folder that exists, with space, that you may write to.",
        ) from error


def path_of(given: object) -> Path:
    """Take a path as whatever names one.

    Raises:
        StorageError: it names none.
    """
    if isinstance(given, (str, os.PathLike)) and str(given):
        return Path(given)
    what = "empty" if given == "" else kind_of_value(given)
    raise StorageError(f"The path is {what}.", "Name a file.")
