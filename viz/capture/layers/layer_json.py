"""Layers of a trace as JSON, and their tensors beside it by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from viz.capture.layers.heard_layer import HeardLayer
from viz.capture.layers.mask import Dense, Mask, Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer, ReportedLayer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.units_in_input_order import ArrangedLayer
from viz.capture.provenance import Provenance


class Shelf:
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


def layer_to_json(record: Layer, shelf: Shelf) -> dict[str, Any]:
    """Write a layer, and lay its tensors on the shelf.

    Raises:
        TypeError: it is of a kind that no file holds.
    """
    common = {"name": record.name, "provenance": record.provenance.to_json()}
    match record:
        case ReportedLayer() | ReportedWindows():
            return {**common, "weights": shelf.put(record.weights)}
        case SparseLayer():
            places = {"starts": shelf.put(record.starts), "columns": shelf.put(record.columns)}
            values = {"values": shelf.put(record.values), "size": record.size}
            return {**common, **places, **values, "tokens": record.tokens}
        case ArrangedLayer():
            inner = layer_to_json(record.inner, shelf)
            places = {"places": shelf.put(record.places), "seen": shelf.put(record.seen)}
            return {**common, "inner": inner, **places}
        case HeardLayer():
            kept = {"kept": record.shape, "seconds": record.seconds}
            return {**common, "whole": layer_to_json(record.whole, shelf), **kept}
        case WindowedLayer():
            return {**common, "allowed": shelf.put(record.allowed), **_scores(record, shelf)}
        case RecordedLayer():
            return {**common, "mask": _mask_to_json(record.mask, shelf), **_scores(record, shelf)}
    raise TypeError(f"A {type(record).__name__} cannot be saved.")


def _scores(record: RecordedLayer | WindowedLayer, shelf: Shelf) -> dict[str, Any]:
    """Everything that the softmax saw but the mask."""
    return {
        "query": shelf.put(record.query),
        "key": shelf.put(record.key),
        "scale": record.scale,
        "bias": shelf.put(record.bias),
        "softcap": record.softcap,
        "sinks": shelf.put(record.sinks),
    }


def _mask_to_json(mask: Mask, shelf: Shelf) -> dict[str, Any]:
    if isinstance(mask, Spans):
        return {"start": shelf.put(mask.start), "stop": shelf.put(mask.stop)}
    return {"matrix": shelf.put(mask.matrix)}


def layer_from(data: dict[str, Any], tensors: dict[str, Tensor]) -> Layer:
    """Read a layer that `layer_to_json` wrote."""
    provenance = Provenance.from_json(data["provenance"])
    if "weights" in data:
        weights = tensors[data["weights"]]
        kind = ReportedLayer if weights.ndim == 3 else ReportedWindows
        return kind(data["name"], weights, provenance)
    if "inner" in data:
        inner = layer_from(data["inner"], tensors)
        seen = data.get("seen")
        return ArrangedLayer(
            inner, tensors[data["places"]], provenance, None if seen is None else tensors[seen]
        )
    if "whole" in data:
        queries, keys = data["kept"]
        return HeardLayer(layer_from(data["whole"], tensors), (queries, keys), data["seconds"])
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
