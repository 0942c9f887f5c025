"""One part of a model run again, with other values in place of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from viz.inputs.input_copies import copied
from viz.models.random_state import restore_random

# Given the number of the call and its values, returns what takes their place.
Substitute = Callable[[int, Tensor], Tensor]

# How far the mean of values that are all 1 may be from 1. Models round on the way: Reformer adds
# 1e5 to scores, which leaves them two digits after the point.
ROW_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class Rerun:
    """A part, and what it was given when it ran.

    Attributes:
        part: to run again.
        projections: those of its children that make values.
        args: of its forward.
        kwargs: of its forward.
        state: of the random numbers before it ran, because hashes are drawn anew in every run; None
            where it drew none, so that nobody else's numbers are touched.
        batch: how many inputs it was given.
    """

    part: nn.Module
    projections: Sequence[nn.Module]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    state: list[Tensor] | None
    batch: int

    def __call__(self, substitute: Substitute) -> Run:
        """Run once with other values, noting them and every stream of numbers after them."""
        seen = Run(self.batch)
        handles: list[Any] = []

        def on_value(module: nn.Module, given: tuple[Any, ...], value: Tensor) -> Tensor:
            seen.values.append((module, given[0], value))
            return substitute(len(seen.values) - 1, value)

        def on_input(module: nn.Module, given: tuple[Any, ...]) -> None:
            seen.note_input(module, given)

        if self.state is not None:
            restore_random(self.state)
        try:
            handles = listen(self.part, self.projections, on_value, on_input)
            # Each run gets numbers of its own, because a part may write to what it is given.
            args = [copied(value) for value in self.args]
            kwargs = {name: copied(value) for name, value in self.kwargs.items()}
            output = self.part.forward(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        seen.note_output(output)
        return seen


@dataclass(slots=True)
class Run:
    """One run of a part: its values, call by call, and all that may be their weighted mean."""

    batch: int
    values: list[tuple[nn.Module, Tensor, Tensor]] = field(default_factory=list)
    streams: dict[int, list[Tensor]] = field(default_factory=dict)

    def gives(self, other: Run) -> bool:
        """Whether the part returned the same as in another run."""
        mine, others = self.streams.get(0), other.streams.get(0)
        return mine is not None and others is not None and torch.equal(mine[0], others[0])

    def note_input(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        """Take what a part inside was given once there are values."""
        if self.values and given and isinstance(given[0], Tensor):
            self.streams.setdefault(id(module), []).append(given[0])

    def note_output(self, output: Any) -> None:
        """Take what the part returned."""
        first = output[0] if isinstance(output, (tuple, list)) else output
        if isinstance(first, Tensor):
            self.streams[0] = [first]

    def means_of_values(self, heads: int, plain: Run) -> Iterator[int]:
        """Name the streams that are 1 where all values are, the last first: means of them, it may be.

        Rows of padding are 0, however many there are. The values themselves are 1 there too, and are
        passed over: `plain` is the run that tells.
        """
        values = [value.flatten() for _, _, value in plain.values]
        for name in reversed(list(self.streams)):
            own = [tensor.flatten() for tensor in plain.streams.get(name, ())]
            if any(torch.equal(one, value) for one in own for value in values):
                continue
            tensors = self.side_by_side(name, heads)
            fits = all(t.ndim >= 2 and t.is_floating_point() and t.numel() for t in tensors)
            if not fits or tensors[0].shape[-1] % heads:
                continue
            flat = torch.cat([t.float().flatten() for t in tensors])
            near = (flat - 1).abs() <= ROW_SUM_TOLERANCE
            if bool((near | (flat == 0)).all()) and bool(near.any()):
                yield name

    def side_by_side(self, stream: int, heads: int) -> list[Tensor]:
        """Lay heads that stand in a dimension of their own beside each other."""
        return [
            tensor.flatten(-2) if tensor.ndim >= 4 and tensor.shape[-2] == heads else tensor
            for tensor in self.streams[stream]
        ]

    def key_starts(self) -> tuple[list[int], int]:
        """Say at which key each call's values start; projections of one input share their keys."""
        starts: list[int] = []
        keys = 0
        for number, (module, given, value) in enumerate(self.values):
            same = next(
                (
                    starts[earlier]
                    for earlier, (other, before, _) in enumerate(self.values[:number])
                    if other is not module
                    and before.shape == given.shape
                    and bool(torch.equal(before, given))
                ),
                None,
            )
            starts.append(keys if same is None else same)
            keys += by_item(value, self.batch).shape[1] if same is None else 0
        return starts, keys

    def query_order(self, stream: int, heads: int) -> list[int]:
        """Order a stream's calls as those of the values are, where one belongs to each other.

        Tokens and global tokens may be projected in one order and written in another.
        """
        rows = [tensor.shape[:-1].numel() for tensor in self.side_by_side(stream, heads)]
        wanted = [value.numel() // value.shape[-1] for _, _, value in self.values]
        if sorted(rows) != sorted(wanted) or len(set(rows)) < len(rows):
            return list(range(len(rows)))
        return [rows.index(count) for count in wanted]

    def joined(self, stream: int, order: Sequence[int], heads: int) -> Tensor:
        """Lay the calls of a stream one after the other: [batch, row, channel]."""
        tensors = self.side_by_side(stream, heads)
        return torch.cat([by_item(tensors[number], self.batch) for number in order], dim=1)


def listen(
    part: nn.Module,
    projections: Sequence[nn.Module],
    on_value: Callable[[nn.Module, tuple[Any, ...], Any], Tensor | None],
    on_input: Callable[[nn.Module, tuple[Any, ...]], None],
) -> list[Any]:
    """Hear of what a part projects as values, and of what its other parts are given; return the handles."""
    return [
        child.register_forward_hook(on_value)
        if any(child is projection for projection in projections)
        else child.register_forward_pre_hook(on_input)
        for child in part.modules()
        if child is not part
    ]


def one_hot(value: Tensor, batch: int, kv_heads: int, first: int) -> Tensor:
    """Make values of which key `first + r` is 1 in dimension r of every head, and 0 elsewhere."""
    hot = torch.zeros_like(value)
    rows = by_item(hot, batch)
    d = value.shape[-1] // kv_heads
    stop = max(0, min(first + d, rows.shape[1]))
    keys = torch.arange(min(max(first, 0), stop), stop, device=value.device)
    for head in range(kv_heads):
        rows[:, keys, head * d + keys - first] = 1
    return hot


def by_item(tensor: Tensor, batch: int) -> Tensor:
    """View a tensor as [batch, row, channel], whichever dimension holds the batch."""
    tokens_first = tensor.ndim == 3 and tensor.shape[1] == batch
    if tokens_first and (batch == 1 or tensor.shape[0] % batch):
        return tensor.transpose(0, 1)
    return tensor.view(batch, -1, tensor.shape[-1])


def sparse(indices: Tensor, values: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Make sparse weights [head, query, key] of places [3, attended] and what stands there."""
    _, queries, keys = size
    place = (indices[0] * queries + indices[1]) * keys + indices[2]
    if not bool((place[1:] > place[:-1]).all()):
        order = place.argsort()
        indices, values = indices[:, order], values[order]
    return torch.sparse_coo_tensor(indices, values, size, is_coalesced=True, check_invariants=True)
