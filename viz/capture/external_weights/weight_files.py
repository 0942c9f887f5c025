"""Weights in files: what they hold is known from their headers, and nothing in them is executed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from viz.capture.external_weights.arrays import MOST_ARRAYS, Given, is_floating, tensor_of
from viz.errors import StorageError

# How safetensors' names of types begin that weights may be made of.
FLOATS = ("F", "BF")

ENTRY = ".npy"

HINT = "Save plain arrays of numbers; pickled objects are never loaded."

FORMATS = (".npz", ".npy", ".safetensors")


def file_arrays(path: Path) -> list[Given]:
    """List the arrays of a file, none of which is read yet.

    Raises:
        StorageError: it cannot be read, is damaged, or is of another format.
    """
    if path.suffix not in FORMATS:
        raise StorageError(
            f"{path} is neither .npz nor .npy nor .safetensors.", "Save the weights as one."
        )
    with said_of(path):
        if path.suffix == ".safetensors":
            arrays = _from_safetensors(path)
        elif path.suffix == ".npz":
            arrays = _from_npz(path)
        else:
            arrays = [_npy(path, (), lambda: path.open("rb"), path.stat().st_size)]
    if not arrays:
        raise StorageError(f"{path} holds no arrays.", "Save at least one.")
    return arrays


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Say in a sentence what a library raises over a file."""
    try:
        yield
    except (BadZipFile, zlib.error, EOFError) as error:
        raise StorageError(
            f"The weights in {path} are damaged: {_said(error)}.", "Save or fetch them again."
        ) from error
    except (OSError, ValueError, SafetensorError, NotImplementedError, RuntimeError) as error:
        raise StorageError(
            f"The weights in {path} could not be read: {_said(error)}.",
            HINT,
        ) from error


def _said(error: Exception) -> str:
    """Take what a library said into a sentence that ends itself."""
    said = str(getattr(error, "strerror", None) or error)
    if "pickle" in said:  # it advises to load them
        return "it holds something else than plain arrays"
    return said.rstrip(".") or type(error).__name__


def _from_safetensors(path: Path) -> list[Given]:
    arrays = []
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118

            def load(name: str = name) -> Tensor:
                with said_of(path), safe_open(path, framework="pt") as again:
                    tensor: Tensor = again.get_tensor(name)
                    return tensor

            part = file.get_slice(name)
            floating = str(part.get_dtype()).startswith(FLOATS)
            arrays.append(
                Given((name,), _called(name, path), tuple(part.get_shape()), floating, load)
            )
    return arrays


def _from_npz(path: Path) -> list[Given]:
    arrays = []
    with ZipFile(path) as file:
        entries = file.infolist()
        if len(entries) > MOST_ARRAYS:
            raise ValueError(f"it holds {len(entries):,} entries, more than {MOST_ARRAYS:,}")
        for entry in entries:
            if not entry.filename.endswith(ENTRY):
                continue

            @contextmanager
            def opened(name: str = entry.filename) -> Iterator[IO[bytes]]:
                with ZipFile(path) as again, again.open(name) as content:
                    yield content

            name = (entry.filename.removesuffix(ENTRY),)
            arrays.append(_npy(path, name, opened, entry.file_size))
    if arrays and all(one.refusal for one in arrays):
        raise ValueError("it holds something else than plain arrays")
    return arrays


def _npy(path: Path, name: tuple[str, ...], opened: Callable[[], Any], size: int) -> Given:
    """Take an array of numpy's format by its header: what it claims is held against its size."""
    with opened() as content:
        version = np.lib.format.read_magic(content)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(content)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(content)
        else:
            raise ValueError(f"its numpy format {version} holds no plain numbers")
    claimed = prod(shape) * dtype.itemsize
    if claimed > size and not dtype.hasobject:
        raise EOFError(f"an array claims {claimed:,} bytes, and there are {size:,}")
    called = _called(name[0] if name else "", path)

    def load() -> Tensor:
        with said_of(path), opened() as content:
            array = np.lib.format.read_array(content, allow_pickle=False)
            content.read(1)  # so that the end is checked
            try:
                return tensor_of(array)
            except TypeError as error:
                raise ValueError(f"{called} holds {error or dtype}") from error

    refusal = StorageError(
        f"{called} could not be read: it holds something else than plain arrays.", HINT
    )
    return Given(
        name, called, tuple(shape), is_floating(dtype), load, refusal if dtype.hasobject else None
    )


def _called(name: str, path: Path) -> str:
    return f"The array {name!r} in {path}" if name else f"The array in {path}"
