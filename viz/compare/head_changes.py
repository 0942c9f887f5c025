"""Every head of one side against the same head of another: which of them changed most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viz.capture.stack import Stack, Stacks
from viz.capture.stack_building import main_stack
from viz.capture.trace import Trace
from viz.compare.aligned_units import Alignment, Groups
from viz.compare.compared_side import Side, layer_rows
from viz.compare.comparison import aligned_units
from viz.compare.divergence import centre_shift, jensen_shannon, total_variation
from viz.compare.row_sampling import at_least_one, spaced
from viz.compare.unit_alignment import How
from viz.compare.weights_in_common_units import moved_rows
from viz.errors import AlignmentError
from viz.inputs.units import counted

Progress = Callable[[str, float], None]
Numbers = NDArray[np.float64]

# Cells of all heads up to which every row is measured when nobody says otherwise: 144 heads, such as GPT-2
# small has, at 512 tokens. They take seconds.
MOST_CELLS = 144 * 512 * 512

# Weights of a layer that are held at a time; SciPy makes several copies of them in float64.
BLOCK_CELLS = 1 << 18

# What is said of each head: means over its rows.
MEASURES = ("jensen_shannon", "total_variation", "centre_shift")


@dataclass(frozen=True, slots=True)
class Changed:
    """How far every head of the first side lies from the same head of the second.

    Attributes:
        divergence: mean Jensen-Shannon divergence of the rows, nats, float64 [layer, head]; NaN where a
            layer has fewer heads, or no row has weight on both sides.
        heads: a line a head, the most changed first: layer, head, jensen_shannon (nats), total_variation
            (share of the weight that moved) and centre_shift (columns, to the right where positive).
        measured: how many of the rows with a partner were measured, evenly spaced.
        of: how many rows have a partner.
    """

    divergence: Numbers
    heads: pd.DataFrame
    measured: int
    of: int


def changed(
    first: Trace,
    second: Trace,
    *,
    stack: str | None = None,
    other_stack: str | None = None,
    pairing: Sequence[tuple[str, str]] | None = None,
    words: bool = False,
    how: How = "text",
    rows: int | None = None,
    progress: Progress | None = None,
) -> Changed:
    """Measure how far every head moved between two texts, or between two models of one shape.

    The number of a head is that of `viz.compare` with its layer and head.

    Args:
        first: the trace of the first side.
        second: of the second side.
        stack: of the first side by name; the main one by default.
        other_stack: of the second side; as the first side's by default.
        pairing: phrases of the first and of the second text that belong together, for two languages.
        words: compare words, where units are parts of them.
        how: units belong together by `text`, or by `position`.
        rows: how many rows to measure, evenly spaced; by default all, or as many as cost little.
        progress: called with "compare" and the share done after every layer; may raise to cancel.

    Raises:
        AlignmentError: the stacks have no common shape, or the texts nothing in common.
        ShapeError: there is no such stack.

    Cost: rows * keys * heads of time; memory grows with the keys alone.
    """
    one = main_stack(first.stacks) if stack is None else Stacks(first.stacks)[stack]
    if other_stack is None:
        other_stack = stack
    other = main_stack(second.stacks) if other_stack is None else Stacks(second.stacks)[other_stack]
    _require_one_shape(one, other)
    queries, keys = aligned_units(
        first,
        second,
        Side(one, ((0, 0),)),
        Side(other, ((0, 0),)),
        pairing=pairing,
        words=words,
        how=how,
    )
    chosen, of = _chosen(queries, len(keys) * _count(one), rows)
    lines = []
    for layer in range(one.layers):
        means = _means(one, other, layer, queries, keys, chosen)
        lines.append(pd.DataFrame({"layer": layer, "head": range(one.heads(layer)), **means}))
        if progress is not None:
            progress("compare", (layer + 1) / one.layers)
    heads = pd.concat(lines, ignore_index=True)
    return Changed(
        divergence=_laid_out(heads),
        heads=heads.sort_values(
            "jensen_shannon", ascending=False, kind="stable", ignore_index=True
        ),
        measured=len(chosen),
        of=of,
    )


def _chosen(queries: Alignment, cells: int, rows: int | None) -> tuple[NDArray[np.int64], int]:
    """Choose common rows with a partner, whose weights have so many cells each; and count them all."""
    paired = np.flatnonzero(queries.paired)
    most = max(1, MOST_CELLS // max(1, cells)) if rows is None else at_least_one(rows)
    return paired[spaced(len(paired), most)], len(paired)


def _means(
    first: Stack,
    second: Stack,
    layer: int,
    queries: Alignment,
    keys: Alignment,
    chosen: NDArray[np.int64],
) -> dict[str, Numbers]:
    """Average the measures of each head of a layer over the chosen rows, in blocks of them."""
    heads = first.heads(layer)
    columns = max(first.record(layer).shape[1], second.record(layer).shape[1], 1)
    size = max(1, BLOCK_CELLS // (columns * heads))
    parts: dict[str, list[Numbers]] = {name: [np.empty((heads, 0))] for name in MEASURES}
    for start in range(0, len(chosen), size):
        numbers = chosen[start : start + size]
        one = _moved(first, layer, tuple(queries.first[n] for n in numbers), keys.first)
        other = _moved(second, layer, tuple(queries.second[n] for n in numbers), keys.second)
        parts["jensen_shannon"].append(jensen_shannon(one, other))
        parts["total_variation"].append(total_variation(one, other))
        parts["centre_shift"].append(centre_shift(one, other, places=keys.places))
    return {name: _mean(np.concatenate(found, axis=1)) for name, found in parts.items()}


def _moved(stack: Stack, layer: int, rows: Groups, columns: Groups) -> Numbers:
    """Compute rows of all heads of a layer in common units, [head, common row, common column]."""
    numbers = [number for group in rows for number in group]
    weights = layer_rows(stack, layer, range(stack.heads(layer)), numbers)
    moved: Numbers = moved_rows(weights, rows, columns).cpu().numpy().astype(np.float64)
    return moved


def _mean(values: Numbers) -> Numbers:
    """Average [head, row] over the rows that have a number; NaN where none has."""
    there = np.isfinite(values)
    sums = np.where(there, values, 0.0).sum(axis=1)
    means: Numbers = np.full(len(values), np.nan)
    np.divide(sums, there.sum(axis=1), out=means, where=there.any(axis=1))
    return means


def _laid_out(heads: pd.DataFrame) -> Numbers:
    grid = np.full((heads["layer"].max() + 1, heads["head"].max() + 1), np.nan)
    grid[heads["layer"], heads["head"]] = heads["jensen_shannon"]
    return grid


def _count(stack: Stack) -> int:
    return sum(record.heads for record in stack.records)


def _require_one_shape(first: Stack, second: Stack) -> None:
    counts = [[record.heads for record in stack.records] for stack in (first, second)]
    if counts[0] == counts[1]:
        return
    shapes = [_shape(one) for one in counts]
    if shapes[0] == shapes[1]:
        layer = next(n for n, pair in enumerate(zip(*counts, strict=True)) if pair[0] != pair[1])
        shapes = [
            f"{shape}, {one[layer]} in layer {layer}"
            for shape, one in zip(shapes, counts, strict=True)
        ]
    raise AlignmentError(
        f"The first side has {shapes[0]}, the second {shapes[1]}, so a head has no counterpart of its "
        "own number.",
        "Compare two heads, or all heads against all.",
    )


def _shape(heads: Sequence[int]) -> str:
    fewest, most = min(heads), max(heads)
    each = counted(most, "head") if fewest == most else f"{fewest} to {most} heads"
    return f"{counted(len(heads), 'layer')} of {each}"
