"""Tier 4: weights that were computed elsewhere, by Keras, JAX, or anything."""

from __future__ import annotations

import os
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viz.capture.external_weights.array_axes import Axes, axes_from, axes_of, layers_of
from viz.capture.external_weights.array_names import Kind, choose
from viz.capture.external_weights.arrays import Given, given_arrays, require_room
from viz.capture.external_weights.weight_files import file_arrays
from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack
from viz.errors import ShapeError, VerificationError
from viz.inputs.units import Units, numbered_units, units_from_labels
from viz.models.argument_checks import kind_of_value

# Rows of weights that somebody rounded to half precision still sum to 1 within this.
ROW_SUM_TOLERANCE = 1e-2

# Names of arrays passed over that are written out.
MOST_NAMED = 8

Weights = Any


def load_weights(
    source: Weights | str | os.PathLike[str],
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    *,
    name: str | None = None,
    item: int | None = None,
    axes: str | Sequence[str] | None = None,
) -> Stack:
    """Make a stack of attention weights that were computed elsewhere.

    Args:
        source: what holds the weights of one model, in any of these ways:

            - an array [layer, head, query, key] or [head, query, key] or [query, key] (numpy, torch,
              or what `numpy.asarray` takes), or [batch, layer, head, query, key] as of fair-esm;
            - a list or tuple of arrays, one a layer, [batch, head, query, key] as of Hugging Face or
              [head, query, key], whose head counts may differ;
            - a dict of such, also within each other, as Flax sows them, put in order by the numbers
              in its names (`layer_2` before `layer_10`), or one array a head (`layer_0_head_3`);
            - the path of an .npz, .npy or .safetensors file that holds one such array, or one array
              a layer.

            What is no weights (tokens, hidden states) is passed over, and named in the provenance.
        queries: a label for each row; numbers by default.
        keys: a label for each column; those of the queries by default, where there are as many.
        name: which kind to take where there are several (`encoder`, `cross`, ...); also what the
            stack is called, `self` by default.
        item: which input of a batch.
        axes: what the axes of each array count, in their order, where that cannot be told:
            `"layer batch head query key"`.

    Returns:
        A stack whose rows are taken as they are, never renormalised. Rows of NaN, as a softmax over
        nothing makes them, and rows of 0 are those of queries that look at nothing.

    Raises:
        StorageError: the file cannot be read, is damaged, or holds pickled objects.
        ShapeError: the arrays or the labels do not fit together, or can be read in two ways.
        VerificationError: weights are NaN beside numbers, or negative, rows sum to more than 1, or
            all rows of all layers look at nothing.
        BudgetError: they do not fit into memory; no array has been read then.
    """
    named = None if axes is None else axes_from(axes)
    is_file = isinstance(source, (str, os.PathLike))
    arrays = file_arrays(Path(source)) if is_file else given_arrays(source)
    kind, passed = choose(arrays, name, named)
    require_room(list(kind.arrays), one_of_batch=item is not None)
    layers = [_checked(layer, number) for number, layer in enumerate(_layers(kind, item, named))]
    if not any(layer.looks for layer in layers):
        nothing = "NaN or 0" if any(layer.blind for layer in layers) else "0"
        raise VerificationError(
            f"Every one of the weights is {nothing}, so that nothing is attended.",
            "Check where they come from.",
        )
    shapes = {tuple(layer.weights.shape[1:]) for layer in layers}
    if len(shapes) != 1:
        raise ShapeError(
            f"The layers have different queries and keys: {sorted(shapes)}.",
            "Make a stack of those that fit together.",
        )
    rows, columns = shapes.pop()
    down = _units(queries, rows, "queries")
    across = down if keys is None and rows == columns else _units(keys, columns, "keys")
    beside = (_passed_over(passed),) if passed else ()
    records = tuple(
        ReportedLayer(f"layer {number}", layer.weights, _provenance(layer, beside))
        for number, layer in enumerate(layers)
    )
    return Stack(name or kind.label or "self", records, down, across)


def _layers(kind: Kind, item: int | None, named: Axes | None) -> list[Tensor]:
    """Read the arrays of one kind into [head, query, key] tensors, one a layer."""
    apart = kind.heads_apart
    if apart is not None and named is None and item is None:
        return [_joined(heads) for heads in apart]
    several = len(kind.arrays) > 1
    layers = []
    for given in kind.arrays:
        axes = named or axes_of(given, item, several=several, numbered=kind.numbered)
        layers += layers_of(given, axes, item)
    return layers


def _joined(heads: Sequence[Given]) -> Tensor:
    """Join heads that are arrays [query, key] of their own: [head, query, key]."""
    matrices = [layers_of(head, ("query", "key"), None)[0][0] for head in heads]
    if len({matrix.shape for matrix in matrices}) > 1:
        shapes = sorted({tuple(matrix.shape) for matrix in matrices})
        raise ShapeError(
            f"{heads[0].called} and the other heads of its layer have different shapes: {shapes}.",
            "Give heads that look from and at the same units.",
        )
    return torch.stack(matrices)


def _passed_over(names: Sequence[str]) -> str:
    """Name the arrays that are no weights of this stack."""
    shown = ", ".join(repr(name) for name in names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"passed over: {shown}" + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class _Checked:
    """One layer, [head, query, key] in float32, and what was seen of it.

    Attributes:
        weights: rows that look at nothing are 0.
        dtype: what it was given in.
        blind: how many rows were NaN.
        looks: whether any row looks at anything.
        row_sum_error: of the rows that look at anything.
        tolerance: what rounding to the type that they were given in allows in a row's sum.
    """

    weights: Tensor
    dtype: torch.dtype
    blind: int
    looks: bool
    row_sum_error: float
    tolerance: float


def _checked(given: Tensor, number: int) -> _Checked:
    """Refuse what cannot be attention weights."""
    layer = given.to(torch.float32)
    unknown = torch.isnan(layer)
    blind = unknown.all(dim=-1)
    if bool(unknown.any()):
        beside = (unknown.any(dim=-1) & ~blind).nonzero()
        if len(beside):
            head, query = beside[0].tolist()
            raise VerificationError(
                f"Layer {number} of the weights holds NaN beside numbers, in row {query} of head {head}.",
                "Check where they come from.",
            )
        layer = layer.masked_fill(unknown, 0.0)
    if not bool(torch.isfinite(layer).all()):
        raise VerificationError(
            f"Layer {number} of the weights holds infinity.", "Check where they come from."
        )
    smallest = float(layer.min())
    if smallest < 0:
        raise VerificationError(
            f"Layer {number} of the weights holds {smallest:.3g}, and weights are never negative.",
            "Give the weights after the softmax, not the scores.",
        )
    sums = layer.sum(dim=-1)
    tolerance = row_tolerance(given.dtype)
    largest = float(sums.max())
    if largest > 1 + tolerance:
        raise VerificationError(
            f"A row of layer {number} sums to {largest:.3g}, and rows sum to 1 at most.",
            "Rows are queries: give the transpose if columns sum to 1, and one head at a time.",
        )
    looking = sums[sums > 0]
    error = float((looking - 1).abs().max()) if len(looking) else 0.0
    return _Checked(layer, given.dtype, int(blind.sum()), len(looking) > 0, error, tolerance)


def row_tolerance(dtype: torch.dtype) -> float:
    """Say how far a row of numbers that were rounded to a type may be from summing to 1."""
    rounding = torch.finfo(dtype).eps / 2 if dtype.is_floating_point else 0.0
    return max(ROW_SUM_TOLERANCE, rounding * 1.01)


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


def _provenance(layer: _Checked, beside: tuple[str, ...]) -> Provenance:
    short = layer.row_sum_error > layer.tolerance
    empty = bool((layer.weights.sum(dim=-1) == 0).any())
    flags = {
        "rows sum to less than 1": short,
        "rows of NaN are taken as looking at nothing": layer.blind > 0,
        "rows of 0 look at nothing": empty and layer.blind == 0,
    }
    plain = layer.dtype in (torch.float32, torch.float64) or not layer.dtype.is_floating_point
    return Provenance(
        tier="given",
        output_error=None,
        row_sum_error=layer.row_sum_error,
        tolerance=layer.tolerance,
        checked_rows=int(layer.weights.shape[1]),
        flags=(*(flag for flag, holds in flags.items() if holds), *beside),
        mask="as given",
        scale=None,
        dtype="float32" if plain else str(layer.dtype).removeprefix("torch."),
    )
