"""Examples as tables of the `datasets` library, and how several of them become a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from viz.training.task_examples import Batch, Collate, Examples

Columns = Mapping[str, Any]


def stacked(rows: Sequence[Any]) -> Batch:
    """Lay rows of one size out as a batch."""
    batch: Batch = default_collate(list(rows))
    return batch


def examples_of(train: Columns, test: Columns, collate: Collate = stacked) -> Examples:
    """Make examples of columns, each as long as there are examples.

    Args:
        train: to learn from; arrays, or lists of lists of different lengths.
        test: to be tried on.
        collate: lays rows out as a batch; by default they are of one size and are stacked.
            Another collator gets lists, as those of transformers take them.
    """
    tensors = collate is stacked
    return Examples(table(train, tensors=tensors), table(test, tensors=tensors), collate)


def table(columns: Columns, *, tensors: bool = True) -> Dataset[Any]:
    """Make a table whose rows are tensors, or lists."""
    # Takes a second to import, which only those wait for who train.
    from datasets import Dataset as Table
    from datasets import disable_progress_bars

    disable_progress_bars()
    made: Dataset[Any] = Table.from_dict(dict(columns))
    return made.with_format("torch") if tensors else made  # type: ignore[attr-defined]


def column(rows: Dataset[Any], name: str) -> Tensor:
    """Stack one field of all rows of a table whose rows are of one size."""
    stacked: Tensor = torch.stack(list(rows[:][name]))
    return stacked


def distinct(rows: NDArray[Any], draw: np.random.Generator) -> NDArray[Any]:
    """Return every row once, in an order of chance, so that no unseen one was seen."""
    once = np.unique(rows, axis=0)
    mixed: NDArray[Any] = once[draw.permutation(len(once))]
    return mixed


def split(count: int, test: int, draw: np.random.Generator) -> tuple[list[int], list[int]]:
    """Draw which of some examples are to learn from, and which to be tried on."""
    order: Sequence[int] = draw.permutation(count).tolist()
    return list(order[test:]), list(order[:test])
