"""What was given as weights, whatever holds it, as arrays with the way to each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viz.errors import BudgetError, LoupeError, ShapeError
from viz.models.argument_checks import kind_of_value
from viz.models.device import available_memory_bytes
from viz.models.run_cost import MEMORY_SHARE

# What may be given, said wherever something else is refused.
SHAPES = "Give [layer, head, query, key], [head, query, key] or [query, key]."

NUMBER = re.compile(r"\d+")

# Numbers of a weight that are kept: float32.
KEPT_BYTES = 4

# Containers in containers that are looked into, and arrays that are listed at most.
DEEPEST = 32
MOST_ARRAYS = 20_000

# What numpy calls numbers of two bytes that it has no name of, in a file: of the types that libraries
# save in this way only this one has two bytes.
UNNAMED_HALF = np.dtype("V2")


@dataclass(frozen=True, slots=True)
class Given:
    """One array, and where it stood.

    Attributes:
        path: the way to it, such as ("encoder", "layer_0", "attention"); empty where nothing held it.
        called: what messages call it, at the beginning of a sentence.
        shape: as it says itself, before anything is read.
        floating: whether it holds numbers that weights may be made of.
        load: reads it.
        refusal: why it is no array of numbers, where that is known before it is read.
    """

    path: tuple[str, ...]
    called: str
    shape: tuple[int, ...]
    floating: bool
    load: Callable[[], Tensor]
    refusal: LoupeError | None = None

    @property
    def pattern(self) -> str:
        """The way to it with a star for each number, the same for all layers of one kind."""
        return "/".join(NUMBER.sub("*", step) for step in self.path)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers on the way to it, by which layers are put in order: 2 before 10."""
        return tuple(int(number) for step in self.path for number in NUMBER.findall(step))


def given_arrays(source: Any) -> list[Given]:
    """List the arrays of whatever holds them: an array itself, or lists, tuples and dicts of such.

    Raises:
        ShapeError: it is nothing that holds arrays.
    """
    if not _holds_arrays(source, 0):
        return [given_array(source, (), "What was given as weights")]
    arrays = []
    for given in _walk(source, (), 0):
        arrays.append(given)
        if len(arrays) > MOST_ARRAYS:
            raise ShapeError(
                f"What was given as weights holds more than {MOST_ARRAYS:,} arrays.",
                "Give those of one model.",
            )
    if not arrays:
        what = kind_of_value(source)
        raise ShapeError(f"What was given as weights is {what} that holds no arrays.", SHAPES)
    return arrays


def _holds_arrays(source: Any, depth: int) -> bool:
    """Whether something is no array itself but holds such; lists of numbers are arrays."""
    if isinstance(source, Mapping):
        return True
    if not isinstance(source, (list, tuple)) or depth > DEEPEST:
        return False
    return any(
        getattr(one, "ndim", 0) >= 2 or isinstance(one, Mapping) or _holds_arrays(one, depth + 1)
        for one in source
    )


def _walk(source: Any, path: tuple[str, ...], depth: int) -> Iterator[Given]:
    if depth > DEEPEST:
        raise ShapeError(
            f"What was given as weights is nested more than {DEEPEST} deep, at {'/'.join(path[:4])}.",
            "Give the part of it that holds the weights.",
        )
    if isinstance(source, Mapping):
        for name, value in source.items():
            if isinstance(value, (Mapping, list, tuple)) or _is_array(value):
                yield from _walk(value, (*path, str(name)), depth + 1)
    elif _holds_arrays(source, 0):
        for number, value in enumerate(source):
            yield from _walk(value, (*path, str(number)), depth + 1)
    else:
        yield given_array(source, path, _called(path))


def _is_array(value: Any) -> bool:
    return hasattr(value, "ndim") and hasattr(value, "shape")


def _called(path: tuple[str, ...]) -> str:
    if len(path) == 1 and path[0].isdigit():
        return f"Item {path[0]} of the list"
    return f"The array {'/'.join(path)!r}"


def given_array(value: Any, path: tuple[str, ...], called: str) -> Given:
    """Take one array of any library as it is; nothing is copied before it is asked for."""

    def refuse() -> ShapeError:
        return ShapeError(f"{called} is {_no_numbers(value)}.", SHAPES)

    try:
        plain = value if isinstance(value, Tensor) else np.asarray(value)
    except Exception:  # whatever a library raises that makes no array of its own
        return Given(path, called, (), floating=False, load=_raising(refuse()), refusal=refuse())
    shape = tuple(plain.shape)
    if isinstance(plain, np.ndarray) and plain.dtype.kind in "OUSMm":
        return Given(path, called, shape, floating=False, load=_raising(refuse()), refusal=refuse())

    def load() -> Tensor:
        try:
            made = plain if isinstance(plain, Tensor) else tensor_of(plain)
            return made.detach().to_dense() if made.layout != torch.strided else made.detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise refuse() from error

    known = plain.is_floating_point() if isinstance(plain, Tensor) else is_floating(plain.dtype)
    return Given(path, called, shape, floating=known, load=load)


def _raising(error: LoupeError) -> Callable[[], Tensor]:
    def load() -> Tensor:
        raise error

    return load


def is_floating(kind: np.dtype[Any]) -> bool:
    """Whether a type holds numbers that weights may be made of; those of other libraries may."""
    return kind.kind == "f" or (kind.kind == "V" and kind.names is None and kind.subdtype is None)


def tensor_of(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor of a numpy array, also of types that only other libraries know by name.

    Raises:
        TypeError: it holds no numbers.
    """
    kind = array.dtype
    if kind == UNNAMED_HALF:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    if kind.type.__module__ != "numpy":
        known = getattr(torch, kind.name, None)
        if isinstance(known, torch.dtype) and known.itemsize == kind.itemsize:
            plain = np.ascontiguousarray(array).view(np.dtype(f"i{kind.itemsize}"))
            return torch.from_numpy(plain.copy()).view(known).reshape(array.shape)
        return torch.from_numpy(array.astype(np.float32))
    if kind.kind == "V":
        raise TypeError("numbers whose type numpy's format does not name; .safetensors names it")
    if kind.type is np.longdouble:
        array = array.astype(np.float64)
    backwards = min(array.strides, default=0) < 0
    if backwards or not kind.isnative or not array.flags.writeable:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)


def _no_numbers(value: object) -> str:
    """Say what stands where an array of numbers was expected."""
    what = kind_of_value(value)
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, no numbers"
    if isinstance(value, (list, tuple)):
        return f"{what} that makes no array: its items are no numbers, or of different lengths"
    return f"{what}, no array of numbers"


def require_room(arrays: list[Given], *, one_of_batch: bool = False) -> None:
    """Make sure that arrays fit into memory, by what they say of themselves, before one is read.

    Args:
        arrays: to be read, one after the other.
        one_of_batch: whether of each only one input is kept.

    Raises:
        BudgetError: they do not.
    """
    sizes = [prod(one.shape) * KEPT_BYTES for one in arrays]
    # Of a batch one input is kept, and the array that is being read is there as a whole.
    inputs = [one.shape[0] if one_of_batch and len(one.shape) >= 4 else 1 for one in arrays]
    kept = sum(size // max(1, count) for size, count in zip(sizes, inputs, strict=True))
    needed = kept + max(sizes, default=0)
    free = available_memory_bytes(torch.device("cpu"))
    if needed > MEMORY_SHARE * free:
        raise BudgetError(
            f"The weights would take {needed / 1e9:,.1f} GB; {free / 1e9:.1f} GB are free.",
            "Give fewer layers, one input, or a shorter text.",
        )
