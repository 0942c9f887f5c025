"""What a statistic of heads is: one number a head, out of its rows of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from viz.patterns.row_statistics import RowStatistics
from viz.registry import Registry


@dataclass(frozen=True)
class WeightBlock:
    """Some rows of the weights of a layer's heads.

    Shapes: weights [head, row, key run]; at [row], where each row's query stands among the keys.

    Attributes:
        first: the run's first key; weights on keys outside of the run are 0.
        keys: how many keys there are in all; a run may end before the last.
    """

    weights: Tensor
    at: Tensor
    first: int
    keys: int

    @cached_property
    def distance(self) -> Tensor:
        """How far each key of the run is from each row's query, in units; float32 [row, key run]."""
        run = self.weights.shape[-1]
        keys = torch.arange(self.first, self.first + run, device=self.weights.device)
        return (keys[None, :] - self.at[:, None]).abs().float()

    def on_one_key(self, keys: Tensor) -> Tensor:
        """Sum the weight that each row puts on one key of its own, where there is one; [head]."""
        columns, run = keys - self.first, self.weights.shape[-1]
        inside = (columns >= 0) & (columns < run)
        rows = torch.arange(len(columns), device=self.weights.device)[inside]
        return self.weights[:, rows, columns[inside]].sum(dim=1)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number a head: the mean of something over its query rows.

    Words may hold {unit} and {units}, what an axis counts, and {first} and {the_first}, what its first key is called.

    Attributes:
        name: in links and in lists of what heads are sorted by.
        field: of `Statistics`, in Python.
        column: of tables and CSV files.
        title: in a list of statistics, with its unit.
        short: before a number.
        unit: of the number, or empty.
        meaning: one line for who does not know it.
        sum_of: the sum over a block's rows, [head].
        of_rows: the number of every row, [head, query], where the fast kernel has told it; without, long
            texts are gone through block by block.
        needs_alignment: whether it means something only where queries stand among the keys.
        palette: of its heatmap; the one that is chosen for patterns by default.
    """

    name: str
    field: str
    column: str
    title: str
    short: str
    unit: str
    meaning: str
    sum_of: Callable[[WeightBlock], Tensor]
    of_rows: Callable[[RowStatistics], Tensor] | None = None
    needs_alignment: bool = False
    palette: str | None = None


STATISTICS: Registry[Statistic] = Registry("statistic")
