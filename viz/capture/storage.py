"""A trace read from the safetensors file that `Trace.save` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from viz.capture.layers.layer_json import layer_from
from viz.capture.saving import FORMAT, path_of
from viz.capture.stack import Stack, Stacks
from viz.capture.trace import ModelCard, Trace
from viz.errors import StorageError
from viz.inputs.units import Units


def load_trace(path: str | Path) -> Trace:
    """Read a trace that `Trace.save` wrote.

    Raises:
        StorageError: there is no such file, or it is not a trace of this version.
    """
    path = path_of(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise StorageError(
                    f"{path} is no trace of this version (format {metadata.get('format')!r}).",
                    "Save the trace again with this version.",
                )
            header = json.loads(metadata["trace"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _trace_from(header, tensors)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"The trace {path} could not be read: {error}.",
            "Give the path of a file that Trace.save wrote.",
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(
            f"The trace {path} is damaged: {error}.", "Save the trace again."
        ) from error


def _trace_from(header: dict[str, Any], tensors: dict[str, Tensor]) -> Trace:
    def take(name: str | None) -> Tensor | None:
        return None if name is None else tensors[name]

    stacks = Stacks(
        (
            name,
            Stack(
                name,
                tuple(layer_from(data, tensors) for data in stack["layers"]),
                Units.from_json(stack["queries"]),
                Units.from_json(stack["keys"]),
            ),
        )
        for name, stack in header["stacks"].items()
    )
    return Trace(
        model=ModelCard(**header["model"]),
        text=header["text"],
        pair=header["pair"],
        units=Units.from_json(header["units"]),
        stacks=stacks,
        output=take(header["output"]),
        unshown=tuple(header.get("unshown", ())),
    )
