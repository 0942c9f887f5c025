"""Rows of many heads side by side, in units that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.stack import Stack
from viz.compare.aligned_units import Groups
from viz.compare.compared_side import Head
from viz.compare.weights_in_common_units import move


@dataclass(frozen=True, slots=True)
class HeadRows:
    """A stack's heads, to be asked for rows of all of them at once.

    Attributes:
        stack: whose heads.
        heads: layer and head of each, a layer's ones beside each other.
        rows: the queries of each common unit.
        columns: the keys of each common unit; None where they are the keys themselves.
    """

    stack: Stack
    heads: tuple[Head, ...]
    rows: Groups
    columns: Groups | None

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return len(self.stack.keys) if self.columns is None else len(self.columns)

    @property
    def largest(self) -> int:
        """How many numbers one row of all heads takes while it is computed."""
        queries = max((len(group) for group in self.rows), default=1)
        return len(self.heads) * max(1, queries) * max(self.width, len(self.stack.keys))

    def of(self, chosen: Sequence[int]) -> Tensor:
        """Compute rows of common units, exactly; float32 [head, row, column]."""
        groups = [self.rows[number] for number in chosen]
        queries = sorted({query for group in groups for query in group})
        device = self.stack.record(0).tensors[0].device
        numbers = torch.tensor(queries, device=device)
        keys = len(self.stack.keys)
        weights = torch.zeros(len(self.heads), len(queries), keys, device=device)
        for layer, heads, at in _runs(self.heads):
            found, first = self.stack.record(layer).rows(heads, numbers)
            weights[at, :, first : first + found.shape[-1]] = found
        alone = all(len(group) == 1 for group in groups)
        if self.columns is None and alone and len(queries) == len(groups):
            return weights
        place = {query: number for number, query in enumerate(queries)}
        return move(
            weights,
            tuple(tuple(place[query] for query in group) for group in groups),
            tuple((key,) for key in range(keys)) if self.columns is None else self.columns,
        )


def all_heads(stack: Stack) -> tuple[Head, ...]:
    """Name every head of a stack, layer by layer."""
    return tuple(
        (layer, head) for layer in range(stack.layers) for head in range(stack.heads(layer))
    )


def _runs(heads: Sequence[Head]) -> list[tuple[int, slice, slice]]:
    """Cut heads into runs within a layer: the layer, its heads, and where they stand among all."""
    runs: list[tuple[int, slice, slice]] = []
    for at, (layer, head) in enumerate(heads):
        if runs and runs[-1][0] == layer and runs[-1][1].stop == head:
            _, before, places = runs.pop()
            runs.append((layer, slice(before.start, head + 1), slice(places.start, at + 1)))
        else:
            runs.append((layer, slice(head, head + 1), slice(at, at + 1)))
    return runs
