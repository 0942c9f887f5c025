"""What goes between a page and a replica, as bytes: names instead of what stays where it is.

Both ends are processes of one Ray cluster, which runs whatever either of them sends; nothing that a user gives or
that comes from a file is read here.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from viz.capture.trace import Trace
from viz.patterns import LayerSurvey
from viz.service.ray.references import Reference

# Says what something is called that stays where it is; None of what is sent itself.
Name = Callable[[object], Reference | None]


def packed(value: object, name: Name) -> bytes:
    """Write something down, with the names of what stays here.

    Of a trace's output only how long it is goes along, and of a survey no log-sum-exp of every row: pages show neither,
    and both outweigh the rest.

    Args:
        value: what is sent.
        name: says what stays, and what it is called.
    """
    out = io.BytesIO()
    _Packer(out, name).dump(value)
    return out.getvalue()


def unpacked(content: bytes, find: Callable[[Reference], object]) -> Any:
    """Read what `packed` wrote.

    Args:
        content: from the other end.
        find: returns what a name stands for here.
    """
    return _Unpacker(io.BytesIO(content), find).load()


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, name: Name) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._name = name

    def persistent_id(self, obj: object) -> Reference | None:
        return self._name(obj)

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, Trace):
            length = None if obj.output is None else torch.empty(len(obj.output), 0)
            kept = (obj.model, obj.text, obj.pair, obj.units, obj.stacks, length, obj.unshown)
            return Trace, kept
        if isinstance(obj, LayerSurvey):
            return LayerSurvey, (obj.fields, obj.means, obj.pictures, None)
        if isinstance(obj, Tensor):
            return _tensor, (_bytes_of(obj), obj.dtype, tuple(obj.shape))
        return NotImplemented


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, find: Callable[[Reference], object]) -> None:
        super().__init__(file)
        self._find = find

    def persistent_load(self, pid: Any) -> object:
        return self._find(pid)


def _bytes_of(tensor: Tensor) -> bytearray:
    """Return a tensor's own numbers, and not those of a larger one that it is a part of."""
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return bytearray(flat.view(torch.uint8).numpy().tobytes()) if flat.numel() else bytearray()


def _tensor(content: bytearray, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)
