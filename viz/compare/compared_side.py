"""One side of a comparison: heads of one stack, whose weights come in rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from viz.capture.stack import Stack, Stacks
from viz.capture.stack_building import main_stack
from viz.capture.trace import Trace
from viz.compare.aligned_units import Groups
from viz.compare.weights_in_common_units import moved_rows
from viz.errors import ShapeError

Head = tuple[int, int]
Aggregate = Literal["mean", "max"]

# Weights that are held at a time while rows are moved.
BLOCK_NUMBERS = 8_000_000


@dataclass(frozen=True, slots=True)
class Side:
    """Heads of a stack, of which one pattern is made.

    Attributes:
        stack: whose heads.
        heads: (layer, head) of each; one, or those that are taken together.
        how: mean of their weights, or the largest of each cell.
    """

    stack: Stack
    heads: tuple[Head, ...]
    how: Aggregate = "mean"

    def rows(self, queries: Groups, keys: Groups) -> Iterator[tuple[slice, Tensor]]:
        """Walk through the pattern in common units, in blocks of rows.

        Yields:
            Which common rows, and their weights [common row, common column], float32: summed over the
            keys of a unit, averaged over its queries; 0 where the side has none.
        """
        count, total = self.stack.record(0).shape[1], self.at_once()
        for part in _parts(queries, max(1, BLOCK_NUMBERS // (count * total))):
            yield part, moved_rows(self._together(_numbers(queries[part])), queries[part], keys)

    def attended(self, queries: Groups, keys: Groups) -> Tensor:
        """Say where the side may look in common units, bool [common row, common column].

        A cell may have weight if any of its queries may look at any of its keys in any of the heads.
        """
        out = torch.zeros(len(queries), len(keys), dtype=torch.bool)
        count, total = self.stack.record(0).shape[1], self.at_once()
        for part in _parts(queries, max(1, BLOCK_NUMBERS // (count * total))):
            rows = torch.as_tensor(_numbers(queries[part]), dtype=torch.long)
            for layer, heads in self._by_layer().items():
                record = self.stack.record(layer)
                may = record.may_look(rows.to(record.tensors[0].device))
                own = may[list(heads)] if len(may) > 1 else may
                out[part] |= moved_rows(own.any(dim=0).float(), queries[part], keys).cpu() > 0
        return out

    def at_once(self) -> int:
        """How many heads are computed at a time at most: those of one layer."""
        return max(map(len, self._by_layer().values()))

    def _by_layer(self) -> dict[int, tuple[int, ...]]:
        layers: dict[int, list[int]] = defaultdict(list)
        for layer, head in self.heads:
            layers[layer].append(head)
        return {layer: tuple(heads) for layer, heads in layers.items()}

    def _together(self, numbers: list[int]) -> Tensor:
        """Return one pattern's rows [query, key] of the queries whose numbers are given."""
        total: Tensor | None = None
        for layer, heads in self._by_layer().items():
            weights = layer_rows(self.stack, layer, heads, numbers)
            one = weights.amax(dim=0) if self.how == "max" else weights.sum(dim=0)
            if total is None:
                total = one
            else:
                total = torch.maximum(total, one) if self.how == "max" else total + one
        assert total is not None, "a side has at least one head"
        return total if self.how == "max" else total / len(self.heads)


def side_of(
    trace: Trace,
    *,
    stack: str | None = None,
    layer: int | None = None,
    head: int | None = None,
    heads: Sequence[Head] | None = None,
    how: Aggregate = "mean",
) -> Side:
    """Choose what a side shows.

    Args:
        trace: of the side.
        stack: by name; the main one by default.
        layer: of the head, or None for all layers.
        head: in its layer, or None for all heads.
        heads: (layer, head) of several instead.
        how: makes one pattern of several heads.

    Raises:
        ShapeError: there is no such stack, layer or head.
    """
    chosen = main_stack(trace.stacks) if stack is None else Stacks(trace.stacks)[stack]
    if how not in ("mean", "max"):
        raise ShapeError(f"Heads cannot be taken together by {how!r:.40}.", "Choose mean or max.")
    if heads is not None:
        if not heads:
            raise ShapeError("No head is chosen for this side.", "Choose at least one.")
        for one, other in heads:
            chosen.record_with(one, other)
        return Side(chosen, tuple(dict.fromkeys((int(a), int(b)) for a, b in heads)), how)
    layers = range(chosen.layers) if layer is None else [layer]
    every: list[Head] = []
    for one in layers:
        count = chosen.heads(one)
        if head is not None:
            chosen.record_with(one, head)
        every += [(one, other) for other in (range(count) if head is None else [head])]
    return Side(chosen, tuple(every), how)


def layer_rows(stack: Stack, layer: int, heads: Sequence[int], numbers: Sequence[int]) -> Tensor:
    """Compute exact rows of some heads of a layer, float32 [head, query, key]."""
    record = stack.record(layer)
    run = slice(min(heads), max(heads) + 1)
    device = record.tensors[0].device
    rows = torch.as_tensor(list(numbers), device=device, dtype=torch.long)
    wanted = torch.as_tensor([head - run.start for head in heads], device=device)
    out = torch.zeros(len(heads), len(rows), record.shape[1], device=device)
    if len(rows):
        weights, first = record.rows(run, rows)
        out[..., first : first + weights.shape[-1]] = weights[wanted]
    return out


def _numbers(queries: Groups) -> list[int]:
    return [number for group in queries for number in group]


def _parts(queries: Groups, size: int) -> Iterator[slice]:
    """Cut common rows into runs of at most so many queries, or of one row."""
    start, held = 0, 0
    for number, group in enumerate(queries):
        if held and held + len(group) > size:
            yield slice(start, number)
            start, held = number, 0
        held += len(group)
    if start < len(queries):
        yield slice(start, len(queries))
