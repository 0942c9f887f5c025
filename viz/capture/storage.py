"""A trace as one safetensors file: tensors as they are, everything else as JSON in its header."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from viz.capture.layers.heard_layer import HeardLayer
from viz.capture.layers.mask import Dense, Mask, Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer, ReportedLayer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.layout import ArrangedLayer
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack, Stacks
from viz.capture.trace import ModelCard, Trace
from viz.errors import StorageError
from viz.inputs.units import Units
from viz.models.argument_checks import kind_of_value

FORMAT = "attention-loupe-trace-1"


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace; the file appears whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    shelf = _Shelf()
    stacks = {
        name: {
            "queries": stack.queries.to_json(),
            "keys": stack.keys.to_json(),
            "layers": [_layer_to_json(record, shelf) for record in stack.records],
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


def path_of(given: object) -> Path:
    """Take a path as whatever names one.

    Raises:
        StorageError: it names none.
    """
    if isinstance(given, (str, os.PathLike)) and str(given):
        return Path(given)
    what = "empty" if given == "" else kind_of_value(given)
    raise StorageError(f"The path is {what}.", "Name a file.")


class _Shelf:
    """Names each distinct tensor once, because layers share masks and biases."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def put(self, tensor: Tensor | None) -> str | None:
        """Lay a tensor on the shelf and return its name."""
        if tensor is None:
            return None
        identity = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if identity not in self._names:
            name = str(len(self._names))
            self._names[identity] = name
            self.tensors[name] = tensor.detach().cpu().contiguous().clone()
        return self._names[identity]


def _layer_to_json(record: Layer, shelf: _Shelf) -> dict[str, Any]:
    common = {"name": record.name, "provenance": record.provenance.to_json()}
    match record:
        case ReportedLayer() | ReportedWindows():
            return {**common, "weights": shelf.put(record.weights)}
        case SparseLayer():
            places = {"starts": shelf.put(record.starts), "columns": shelf.put(record.columns)}
            values = {"values": shelf.put(record.values), "size": record.size}
            return {**common, **places, **values, "tokens": record.tokens}
        case ArrangedLayer():
            inner = _layer_to_json(record.inner, shelf)
            places = {"places": shelf.put(record.places), "seen": shelf.put(record.seen)}
            return {**common, "inner": inner, **places}
        case HeardLayer():
            kept = {"kept": record.shape, "seconds": record.seconds}
            return {**common, "whole": _layer_to_json(record.whole, shelf), **kept}
        case WindowedLayer():
            return {**common, "allowed": shelf.put(record.allowed), **_scores(record, shelf)}
        case RecordedLayer():
            return {**common, "mask": _mask_to_json(record.mask, shelf), **_scores(record, shelf)}
    raise TypeError(f"A {type(record).__name__} cannot be saved.")


def _scores(record: RecordedLayer | WindowedLayer, shelf: _Shelf) -> dict[str, Any]:
    """Everything that the softmax saw but the mask."""
    return {
        "query": shelf.put(record.query),
        "key": shelf.put(record.key),
        "scale": record.scale,
        "bias": shelf.put(record.bias),
        "softcap": record.softcap,
        "sinks": shelf.put(record.sinks),
    }


def _mask_to_json(mask: Mask, shelf: _Shelf) -> dict[str, Any]:
    if isinstance(mask, Spans):
        return {"start": shelf.put(mask.start), "stop": shelf.put(mask.stop)}
    return {"matrix": shelf.put(mask.matrix)}


def _trace_from(header: dict[str, Any], tensors: dict[str, Tensor]) -> Trace:
    def take(name: str | None) -> Tensor | None:
        return None if name is None else tensors[name]

    stacks = Stacks(
        (
            name,
            Stack(
                name,
                tuple(_layer_from(data, tensors) for data in stack["layers"]),
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


def _layer_from(data: dict[str, Any], tensors: dict[str, Tensor]) -> Layer:
    provenance = Provenance.from_json(data["provenance"])
    if "weights" in data:
        weights = tensors[data["weights"]]
        kind = ReportedLayer if weights.ndim == 3 else ReportedWindows
        return kind(data["name"], weights, provenance)
    if "inner" in data:
        inner = _layer_from(data["inner"], tensors)
        seen = data.get("seen")
        return ArrangedLayer(
            inner, tensors[data["places"]], provenance, None if seen is None else tensors[seen]
        )
    if "whole" in data:
        queries, keys = data["kept"]
        return HeardLayer(_layer_from(data["whole"], tensors), (queries, keys), data["seconds"])
    if "starts" in data:
        places = tensors[data["starts"]], tensors[data["columns"]], tensors[data["values"]]
        heads, queries, keys = data["size"]
        return SparseLayer(
            data["name"], *places, (heads, queries, keys), data["tokens"], provenance
        )

    def take(name: str) -> Tensor | None:
        return None if data[name] is None else tensors[data[name]]

    common: dict[str, Any] = {
        "name": data["name"],
        "query": tensors[data["query"]],
        "key": tensors[data["key"]],
        "scale": data["scale"],
        "bias": take("bias"),
        "softcap": data["softcap"],
        "sinks": take("sinks"),
        "provenance": provenance,
    }
    if "allowed" in data:
        return WindowedLayer(allowed=take("allowed"), **common)
    return RecordedLayer(mask=_mask_from(data["mask"], tensors), **common)


def _mask_from(mask: dict[str, Any], tensors: dict[str, Tensor]) -> Mask:
    if "matrix" in mask:
        return Dense(tensors[mask["matrix"]])
    return Spans(tensors[mask["start"]], tensors[mask["stop"]])
