"""Where the queries and keys of a product stand: its layout, and windows that a part cuts put back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from viz.capture.replay.product_axes import Axes
from viz.capture.replay.replay_with_marked_values import Mark, MarkedRun, Reached, run_marked
from viz.capture.tiers.part_calls import PartCall
from viz.models.forward_errors import RUN_ERRORS

Splits = tuple[tuple[int, tuple[int, int]], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of one product of weights and values.

    Attributes:
        heads: which leading axes of `Axes.laid_out` are heads, in order.
        windows: which are windows, or items.
        queries: which are queries.
        rows: for each query of each window its token, -1 for padding; None where windows came in as
            they are, or where there are none.
        columns: the same of keys.
        tokens: how many there are.
        splits: leading axes that hold two, one after the other unfolded: which, and their sizes.
    """

    heads: tuple[int, ...]
    windows: tuple[int, ...]
    queries: tuple[int, ...]
    rows: Tensor | None = None
    columns: Tensor | None = None
    tokens: int = 0
    splits: Splits = ()

    def apply(self, laid: Tensor) -> Tensor:
        """Bring weights as `Axes.laid_out` lays them out to [window, head, query, key]."""
        laid = unfolded(laid, self.splits)
        order = (*self.windows, *self.heads, *self.queries)
        sizes = [math.prod(laid.shape[a] for a in axes) for axes in (self.windows, self.heads)]
        turned = laid.permute(*order, laid.ndim - 1).reshape(*sizes, -1, laid.shape[-1])
        if self.rows is None or self.columns is None:
            return turned
        windows, heads, queries, keys = turned.shape
        whole = turned.new_zeros(heads, self.tokens + 1, self.tokens + 1)
        each = (windows, queries, keys)
        rows = self.rows.view(windows, queries, 1).expand(each).to(turned.device)
        columns = self.columns.view(windows, 1, keys).expand(each).to(turned.device)
        # Padding is token -1, the last row and column, which are cut off.
        places = (rows.flatten(), columns.flatten())
        for head in range(heads):
            whole[head].index_put_(places, turned[:, head].flatten(), accumulate=True)
        return whole[None, :, :-1, :-1]


def unfolded(tensor: Tensor, splits: Splits) -> Tensor:
    """Unfold axes that hold two."""
    for axis, sizes in splits:
        tensor = tensor.reshape(*tensor.shape[:axis], *sizes, *tensor.shape[axis + 1 :])
    return tensor


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A run of a part, and the product in it that is read."""

    call: PartCall
    number: int
    axes: Axes
    splits: Splits

    def given(self, earlier: Sequence[int] = ()) -> list[tuple[int, torch.Size]]:
        """List the tensors that it was given before the product; none where it cannot run again.

        Args:
            earlier: products that may have mixed tokens already. Of those that this one is made of,
                only what was given after the last tells where a token stands.
        """
        mixed = next((n for n in sorted(earlier, reverse=True) if self._is_made_of(n)), -1)
        run = self._run()
        if run is None or self.number not in run.reached:
            return []
        flooded = self._run(flooded=True)
        dead = set() if flooded is None else {n for n, g in enumerate(flooded.given) if not g.live}
        return [
            (n, given.shape)
            for n, given in enumerate(run.given)
            if mixed < given.products <= self.number and n not in dead
        ]

    def _is_made_of(self, earlier: int) -> bool:
        """Whether the result of another product reaches this one."""
        run = self._run(spoiled=earlier)
        found = None if run is None else run.reached.get(self.number)
        # Where it cannot be told, it counts as if.
        return found is None or bool(found.values.any())

    def reached(self, target: int, mark: Mark) -> Reached | None:
        """Mark one of the tensors given and see what it reaches."""
        run = self._run(target=target, mark=mark)
        found = None if run is None else run.reached.get(self.number)
        if found is None:
            return None
        scores = None if found.scores is None else unfolded(found.scores, self.splits)
        return Reached(unfolded(found.values, self.splits), scores)

    def _run(
        self,
        target: int | None = None,
        mark: Mark | None = None,
        *,
        flooded: bool = False,
        spoiled: int | None = None,
    ) -> MarkedRun | None:
        wanted = {self.number: self.axes}
        try:
            return run_marked(
                self.call, wanted, target=target, mark=mark, flooded=flooded, spoiled=spoiled
            )
        except RUN_ERRORS:
            return None


def one_at(place: tuple[int, ...]) -> Mark:
    """Mark a single number."""

    def mark(tensor: Tensor) -> Tensor:
        marked = tensor.clone()
        marked[place] = torch.nan
        return marked

    return mark


def undone(part: ReadPart, target: int, layout: Layout, given: torch.Size) -> Layout | None:
    """Find the token of every query and key in windows that a part cut by itself.

    Tokens are numbered, and in every run those are marked whose number has some bit, or has it not.
    """
    channels = _channel_axis(part, target, given)
    if channels is None:
        return None
    count = math.prod(size for a, size in enumerate(given) if a != channels)
    every = torch.arange(count)

    def reached(marks: Tensor) -> tuple[Tensor, Tensor] | None:
        def mark(tensor: Tensor) -> Tensor:
            turned = tensor.movedim(channels, -1)
            rows = turned.flatten(0, -2).clone()
            rows[marks.to(rows.device)] = torch.nan
            return rows.view(turned.shape).movedim(-1, channels)

        found = part.reached(target, mark)
        if found is None or found.scores is None:
            return None
        order = (*layout.windows, *layout.heads)
        keys = found.values.any(dim=-1)  # [shared.., key]
        shared = keys.ndim - 1
        first = tuple(a for a in order if a < shared and a in layout.windows)
        rest = tuple(a for a in range(shared) if a not in first)
        keys = keys.permute(*first, *rest, shared).reshape(
            math.prod(keys.shape[a] for a in first), -1, keys.shape[-1]
        )
        laid = found.scores.permute(*order, *layout.queries, found.scores.ndim - 1)
        windows = math.prod(found.scores.shape[a] for a in layout.windows)
        heads = math.prod(found.scores.shape[a] for a in layout.heads)
        return keys[:, 0], laid.reshape(windows, heads, -1, laid.shape[-1])[:, 0]

    whole = reached(every >= 0)
    if whole is None:
        return None
    is_token, visible = whole
    columns = torch.zeros(is_token.shape, dtype=torch.long)
    rows = torch.zeros(visible.shape[:2], dtype=torch.long)
    for bit in range(max(1, (count - 1).bit_length())):
        has = (every >> bit) % 2 == 1
        with_it, without = reached(has), reached(~has)
        if with_it is None or without is None or bool((with_it[0] & without[0]).any()):
            return None
        set_keys = with_it[0]
        columns += set_keys.long().cpu() << bit
        # A key that was not marked tells of the query alone.
        quiet, loud = visible & ~set_keys[:, None], visible & set_keys[:, None]
        marked = (with_it[1] & quiet).any(-1)
        other = (without[1] & loud).any(-1)
        set_rows = torch.where(quiet.any(-1), marked, ~other)
        rows += set_rows.long().cpu() << bit
    columns[~is_token.cpu()] = -1
    looking = visible.any(-1).cpu()
    # Queries stand where keys stand, unless the part says otherwise; padding looks at what it likes.
    if rows.shape == columns.shape:
        rows[columns < 0] = -1
    rows[~looking] = -1
    kept = rows[rows >= 0]
    if len(kept) != count or len(torch.unique(kept)) != count:
        return None
    return replace(layout, rows=rows, columns=columns, tokens=count)


def _channel_axis(part: ReadPart, target: int, given: torch.Size) -> int | None:
    """Say along which axis of what is given a mark may move and reach the same."""
    middle = tuple((size - 1) // 2 for size in given)
    first = part.reached(target, one_at(middle))
    for axis in (len(given) - 1, 1):
        if given[axis] < 2 or first is None:
            continue
        other = part.reached(target, one_at((*middle[:axis], given[axis] - 1, *middle[axis + 1 :])))
        if other is not None and torch.equal(first.values, other.values):
            return axis
    return None
