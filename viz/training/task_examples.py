"""What a model learns from and is tried on, as batches in the order of a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Batch = Mapping[str, Tensor]
Collate = Callable[[Sequence[Any]], Batch]


@dataclass(frozen=True, slots=True)
class Examples:
    """Two sets of examples that share none.

    Attributes:
        train: to learn from; an entry is what `collate` takes.
        test: to be tried on.
        collate: lays several examples out as a model's own inputs, `labels` among them.
    """

    train: Dataset[Any]
    test: Dataset[Any]
    collate: Collate


def batches(examples: Examples, size: int, *, seed: int, start: int = 0) -> Iterator[Batch]:
    """Yield batches without end, each round through the examples in an order of its own.

    Args:
        examples: those to learn from are taken.
        size: examples of a batch.
        seed: the same seed, the same batches.
        start: how many batches were taken earlier; the next is the one after them.
    """
    count = len(examples.train)  # type: ignore[arg-type]
    size = min(size, count)
    per_round = count // size
    number, skipped = divmod(start, per_round)
    while True:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed + number))
        taken = order[skipped * size : per_round * size].tolist()
        yield from DataLoader(
            examples.train,
            batch_size=size,
            sampler=taken,
            collate_fn=examples.collate,
        )
        number, skipped = number + 1, 0


def test_batches(examples: Examples, size: int, most: int) -> Iterator[Batch]:
    """Yield the first unseen examples, always the same."""
    count = min(most, len(examples.test))  # type: ignore[arg-type]
    yield from DataLoader(
        examples.test,
        batch_size=size,
        sampler=list(range(count)),
        collate_fn=examples.collate,
    )
