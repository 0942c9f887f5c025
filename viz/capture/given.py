"""Tier 4: weights that were computed elsewhere, by Keras, JAX, or anything."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from viz.capture.layer import ReportedLayer
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack
from viz.errors import ShapeError, StorageError, VerificationError
from viz.models.arguments import kind_of_value
from viz.models.tokens import Units, numbered_units, units_from_labels

# Rows of weights that somebody rounded to half precision still sum to 1 within this.
ROW_SUM_TOLERANCE = 1e-2

Weights = Any

# What may be given, said wherever something else is refused.
SHAPES = "Give [layer, head, query, key], [head, query, key] or [query, key]."


def load_weights(
    source: Weights | str | Path,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    *,
    name: str = "self",
) -> Stack:
    """Make a stack of attention weights that were computed elsewhere.

    Args:
        source: an array [layer, head, query, key] or [head, query, key] or [query, key] (numpy,
            torch, or what `numpy.asarray` takes); a list of arrays [head, query, key], one a layer,
            whose head counts may differ; or the path of an .npz or .safetensors file that holds
            one such array, or one array a layer.
        queries: a label for each row; numbers by default.
        keys: a label for each column; those of the queries by default, where there are as many.
        name: of the stack.

    Returns:
        A stack whose rows are taken as they are, never renormalised.

    Raises:
        StorageError: the file cannot be read, is damaged, or holds pickled objects.
        ShapeError: the arrays or the labels do not fit together.
        VerificationError: weights are NaN or negative, rows sum to more than 1, or all rows of all
            layers are zero; single rows may be, as those of padding are.
    """
    layers = [_checked(layer, number) for number, layer in enumerate(_split(source))]
    if not any(bool(layer.any()) for layer in layers):
        raise VerificationError(
            "Every one of the weights is 0, so that nothing is attended.",
            "Check where they come from.",
        )
    shapes = {tuple(layer.shape[1:]) for layer in layers}
    if len(shapes) != 1:
        raise ShapeError(
            f"The layers have different queries and keys: {sorted(shapes)}.",
            "Make a stack of those that fit together.",
        )
    rows, columns = shapes.pop()
    down = _units(queries, rows, "queries")
    across = down if keys is None and rows == columns else _units(keys, columns, "keys")
    records = tuple(
        ReportedLayer(f"layer {number}", layer, _provenance(layer))
        for number, layer in enumerate(layers)
    )
    return Stack(name, records, down, across)


def _split(source: Any) -> list[Tensor]:
    """Split whatever was given into [head, query, key] tensors, one a layer."""
    if not isinstance(source, (str, Path)):
        return _layers(source)
    arrays = _from_file(Path(source))
    hint = SHAPES if len(arrays) == 1 else f"{SHAPES} Leave what is no layer out of the file."
    return [
        layer
        for name, array in arrays.items()
        for layer in _layers(array, f"The array {name!r} in {source}", hint)
    ]


def _from_file(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays from a file in the order of their layers, never executing what it holds."""
    try:
        if path.suffix == ".safetensors":
            arrays: Mapping[str, NDArray[Any]] = load_file(path)
        elif path.suffix == ".npz":
            # Opened here, because numpy leaves a damaged one open.
            with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
                arrays = dict(file)
        elif path.suffix == ".npy":
            arrays = {"0": np.load(path, allow_pickle=False)}
        else:
            raise StorageError(
                f"{path} is neither .npz nor .npy nor .safetensors.", "Save the weights as one."
            )
    except (BadZipFile, zlib.error, EOFError) as error:
        raise StorageError(
            f"The weights in {path} are damaged: {_said(error)}.", "Save or fetch them again."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise StorageError(
            f"The weights in {path} could not be read: {_said(error)}.",
            "Save plain arrays of numbers; pickled objects are never loaded.",
        ) from error
    if not arrays:
        raise StorageError(f"{path} holds no arrays.", "Save at least one.")
    return {name: arrays[name] for name in sorted(arrays, key=_natural)}


def _said(error: Exception) -> str:
    """Take what a library said into a sentence that ends itself."""
    said = str(getattr(error, "strerror", None) or error)
    if "pickle" in said:  # it advises to load them
        return "it holds something else than plain arrays"
    return said.rstrip(".") or type(error).__name__


def _natural(name: str) -> tuple[int, str]:
    """Sort layer_2 before layer_10."""
    digits = "".join(c for c in name if c.isdigit())
    return (int(digits) if digits else -1, name)


def _layers(arrays: Any, called: str = "", hint: str = SHAPES) -> list[Tensor]:
    """Split an array, or a list of them, into [head, query, key] tensors, one a layer.

    Args:
        arrays: of weights.
        called: what messages call one array, at the beginning of a sentence.
        hint: what to do where it is refused.

    Raises:
        ShapeError: it is no array of weights.
    """
    if isinstance(arrays, (list, tuple)) and any(getattr(one, "ndim", 0) >= 2 for one in arrays):
        return [
            layer
            for number, part in enumerate(arrays)
            for layer in _layers(part, f"Item {number} of the list")
        ]
    name = called or "What was given as weights"
    try:
        given = arrays if isinstance(arrays, Tensor) else np.asarray(arrays)
        whole = torch.as_tensor(given).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(f"{name} is {_no_numbers(arrays)}.", hint) from error
    if whole.is_complex():
        raise ShapeError(f"{name} is of complex numbers.", "Give their sizes, if you mean them.")
    if not 2 <= whole.ndim <= 4 or whole.numel() == 0:
        raise ShapeError(f"{name} has shape {tuple(whole.shape)}.", hint)
    whole = whole.float()
    return list(whole.reshape(-1, *whole.shape[-3:]) if whole.ndim > 2 else whole[None, None])


def _no_numbers(value: object) -> str:
    """Say what stands where an array of numbers was expected."""
    what = kind_of_value(value)
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, no numbers"
    if isinstance(value, (list, tuple)):
        return f"{what} that makes no array: its items are no numbers, or of different lengths"
    return f"{what}, no array of numbers"


def _checked(layer: Tensor, number: int) -> Tensor:
    """Refuse what cannot be attention weights."""
    if not bool(torch.isfinite(layer).all()):
        raise VerificationError(
            f"Layer {number} of the weights holds NaN or infinity.", "Check where they come from."
        )
    smallest = float(layer.min())
    if smallest < 0:
        raise VerificationError(
            f"Layer {number} of the weights holds {smallest:.3g}, and weights are never negative.",
            "Give the weights after the softmax, not the scores.",
        )
    largest = float(layer.sum(dim=-1).max())
    if largest > 1 + ROW_SUM_TOLERANCE:
        raise VerificationError(
            f"A row of layer {number} sums to {largest:.3g}, and rows sum to 1 at most.",
            "Rows are queries: give the transpose if columns sum to 1, and one head at a time.",
        )
    return layer


def _units(labels: Sequence[str] | None, count: int, what: str) -> Units:
    if labels is None:
        return numbered_units("position", count)
    if not isinstance(labels, Sized):
        raise ShapeError(f"The labels of {what} are {kind_of_value(labels)}.", "Give a list.")
    if len(labels) != count:
        raise ShapeError(
            f"There are {len(labels)} labels for {count} {what}.", "Give one for each."
        )
    return units_from_labels(labels)


def _provenance(layer: Tensor) -> Provenance:
    sums = layer.sum(dim=-1)
    error = float((sums - 1).abs().max())
    short = error > ROW_SUM_TOLERANCE
    return Provenance(
        tier="given",
        output_error=None,
        row_sum_error=error,
        tolerance=ROW_SUM_TOLERANCE,
        checked_rows=int(layer.shape[1]),
        flags=("rows sum to less than 1",) if short else (),
        mask="as given",
        scale=None,
        dtype="float32",
    )
