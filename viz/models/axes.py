"""Which axes of attention that is written out are heads, windows, queries and keys: read off what it does.

One number that a part is given is marked, and the part runs again. Values are made of it in every head,
because a projection mixes channels into heads, and at one place alone, its token's. So an axis of which
it reaches all is one of heads, one of which it reaches a place is one of tokens, items or windows; and
keys of which one token reaches all are no tokens (experts, channels). No name and no number that the
part carries is believed, and where the part does not tell, nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from viz.models.attention import unobserved
from viz.models.calls import PartCall
from viz.models.marked import Mark, MarkedRun, Reached, run_marked, tensors_in
from viz.models.preserve import preserved
from viz.models.running import RUN_ERRORS
from viz.models.weighing import Axes

# How many tensors a part was given are tried, and how many parts outwards.
TRIED = 16
OUTWARDS = 4

# Items, windows and heads may be folded into one axis, and no more.
MOST_SPLITS = 2


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
        laid = _unfolded(laid, self.splits)
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


@dataclass(frozen=True, slots=True)
class Unclear:
    """Why a product is not shown.

    Attributes:
        reason: what was seen of it, after the part's name.
        hint: what would help.
        mixes: whether it may be attention all the same.
    """

    reason: str
    hint: str
    mixes: bool


@dataclass(slots=True)
class _Seen:
    """What marks told of one product so far."""

    heads: set[int]
    own_heads: set[int]
    values_told: bool = False
    scores_told: bool = False
    whole: bool = False
    fallback: Layout | None = None
    split: tuple[int, tuple[int, int]] | None = None


def _unfolded(tensor: Tensor, splits: Splits) -> Tensor:
    """Unfold axes that hold two."""
    for axis, sizes in splits:
        tensor = tensor.reshape(*tensor.shape[:axis], *sizes, *tensor.shape[axis + 1 :])
    return tensor


def read_layout(
    call: PartCall,
    number: int,
    axes: Axes,
    shape: torch.Size,
    shared: int,
    splits: Splits = (),
) -> Layout | Unclear:
    """Find out what the axes of a product are.

    Args:
        call: the innermost run of a part that made it.
        number: of the product, counted over the whole.
        axes: of its factors.
        shape: of the weights as `Axes.laid_out` lays them out.
        shared: how many of their leading axes the values have too.
        splits: of them hold two axes each, such as items and heads in one; shape and shared count
            these as two.

    Cost: two runs of the part, usually; more where it has windows.
    """
    seen = _Seen(set(), set())
    lead = range(len(shape) - 1)
    with unobserved():
        for level in _outwards(call):
            with preserved(level.part):
                part = _Part(level, number - level.first, axes, splits)
                layout = _at_level(part, shape, shared, seen)
            if seen.split is not None and len(splits) < MOST_SPLITS:
                axis, sizes = seen.split
                unfolded = torch.Size([*shape[:axis], *sizes, *shape[axis + 1 :]])
                both = (*splits, seen.split)
                return read_layout(call, number, axes, unfolded, shared + 1, both)
            if layout is not None:
                return layout
    if seen.fallback is not None and _came_in_windows(call, shape, seen.fallback):
        return seen.fallback
    free = [a for a in lead if shape[a] > 1]
    if seen.whole and not seen.values_told:
        return Unclear(
            "weighs what every token reaches (channels, experts or copies), and no tokens",
            "That is no attention between tokens.",
            mixes=False,
        )
    if not seen.values_told and len(free) > 1:
        spelled = " x ".join(str(size) for size in shape)
        return Unclear(
            f"weighs its values by a softmax of {spelled}, of which it cannot be told which axis is "
            "heads",
            f"Set `num_heads` on {call.name or 'the model'}",
            mixes=True,
        )
    return Unclear(
        "weighs its values by a softmax whose queries come from no token that it is given",
        "Say what it computes",
        mixes=True,
    )


def _came_in_windows(call: PartCall, shape: torch.Size, layout: Layout) -> bool:
    """Whether a part was given windows in its first dimension."""
    given = next(iter(tensors_in(call.args, call.kwargs)), None)
    windows = math.prod(shape[a] for a in layout.windows)
    return given is not None and given.ndim == 3 and given.shape[0] == windows


def _outwards(call: PartCall) -> Iterator[PartCall]:
    at: PartCall | None = call
    for _ in range(OUTWARDS):
        if at is None:
            return
        yield at
        at = at.outer


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of a part, and the product in it that is read."""

    call: PartCall
    number: int
    axes: Axes
    splits: Splits

    def given(self) -> list[tuple[int, torch.Size]]:
        """List the tensors that it was given before the product; none where it cannot run again."""
        run = self._run()
        if run is None or self.number not in run.reached:
            return []
        flooded = self._run(flooded=True)
        dead = set() if flooded is None else {n for n, g in enumerate(flooded.given) if not g.live}
        return [
            (n, given.shape)
            for n, given in enumerate(run.given)
            if given.products <= self.number and n not in dead
        ]

    def reached(self, target: int, mark: Mark) -> Reached | None:
        """Mark one of the tensors given and see what it reaches."""
        run = self._run(target=target, mark=mark)
        found = None if run is None else run.reached.get(self.number)
        if found is None:
            return None
        scores = None if found.scores is None else _unfolded(found.scores, self.splits)
        return Reached(_unfolded(found.values, self.splits), scores)

    def _run(
        self, target: int | None = None, mark: Mark | None = None, *, flooded: bool = False
    ) -> MarkedRun | None:
        wanted = {self.number: self.axes}
        try:
            return run_marked(self.call, wanted, target=target, mark=mark, flooded=flooded)
        except RUN_ERRORS:
            return None


def _at_level(part: _Part, shape: torch.Size, shared: int, seen: _Seen) -> Layout | None:
    """Try what one part was given, the earliest first: of later ones, some are cut by head already."""
    for target, sizes in part.given()[:TRIED]:
        reached = part.reached(target, _one_at(tuple((size - 1) // 2 for size in sizes)))
        if reached is None or not _take(reached, shape, shared, seen):
            continue
        if seen.split is not None:
            return None
        layout = _complete(shape, shared, seen, part.splits)
        if layout is None:
            continue
        if math.prod(shape[a] for a in layout.windows) == 1:
            return layout
        if len(sizes) == 2 or sizes[0] in {1, *_batches(part.call)} or sizes[1] == 1:
            undone = _undone(part, target, layout, sizes)
            if undone is not None:
                return undone
            continue
        # Windows that the part was given as they are; whoever cut them knows their order.
        seen.fallback = seen.fallback or layout
    return None


def _batches(call: PartCall) -> set[int]:
    """How many inputs the whole may have been given."""
    while call.outer is not None:
        call = call.outer
    return {one.shape[0] for one in tensors_in(call.args, call.kwargs) if one.ndim}


def _one_at(place: tuple[int, ...]) -> Mark:
    """Mark a single number."""

    def mark(tensor: Tensor) -> Tensor:
        marked = tensor.clone()
        marked[place] = torch.nan
        return marked

    return mark


def _two_in_one(values: Tensor, axis: int) -> tuple[int, int] | None:
    """Tell an axis that holds heads and something else by the run or the steps of it that a token reaches."""
    size = values.shape[axis]
    slots = values.any(dim=-1).movedim(axis, 0).flatten(1)  # [place, .. key]
    hit = slots.any(dim=1).nonzero()[:, 0]
    count = len(hit)
    alike = bool((slots[hit] == slots[hit[:1]]).all())
    if not 1 < count < size or size % count or not alike:
        return None
    step = int(hit[1] - hit[0])
    even = bool((hit.diff() == step).all())
    if even and step == 1 and int(hit[0]) % count == 0:
        return size // count, count
    if even and step == size // count:
        return count, size // count
    return None


def _whole_axes(reached: Tensor, axes: range) -> set[int]:
    """Axes longer than 1 of which every place was reached."""
    return {
        a
        for a in axes
        if reached.shape[a] > 1 and bool(reached.movedim(a, 0).flatten(1).any(dim=1).all())
    }


def _take(reached: Reached, shape: torch.Size, shared: int, seen: _Seen) -> bool:
    """Take down what one mark told; whether it told anything."""
    values, told = reached.values, False
    keys, channels = values.ndim - 2, values.ndim - 1
    columns = values.any(dim=-1)  # [shared.., key]
    if bool(values.any()):
        # Nothing but a projection hands one channel on to all of a head.
        projected = values.shape[channels] == 1 or channels in _whole_axes(
            values, range(values.ndim)
        )
        whole = keys in _whole_axes(values, range(values.ndim))
        seen.whole |= whole
        if whole:
            return False  # what came before has mixed tokens already
        if projected:
            seen.heads |= _whole_axes(values, range(shared))
            seen.values_told = told = True
            for axis in range(shared):
                sizes = _two_in_one(values, axis)
                if sizes is not None:
                    seen.split = axis, sizes
    if reached.scores is not None:
        own = range(shared, len(shape) - 1)
        rows = reached.scores & ~columns[(..., *(None,) * len(own), slice(None))]
        reached_own = _whole_axes(rows, own)
        apart = [a for a in own if shape[a] > 1 and a not in reached_own]
        if bool(rows.any()) and (apart or all(shape[a] == 1 for a in own)):
            seen.own_heads |= reached_own
            seen.scores_told = told = True
    return told


def _complete(shape: torch.Size, shared: int, seen: _Seen, splits: Splits) -> Layout | None:
    """Put together what marks told, if that is enough."""
    own = range(shared, len(shape) - 1)
    long = [a for a in own if shape[a] > 1]
    square = math.prod(shape[a] for a in own) == shape[-1]
    if not seen.values_told or ((len(long) > 1 or (square and long)) and not seen.scores_told):
        return None
    heads = sorted(seen.heads | seen.own_heads)
    return Layout(
        heads=tuple(heads),
        windows=tuple(a for a in range(shared) if a not in heads),
        queries=tuple(a for a in own if a not in heads),
        splits=splits,
    )


def _undone(part: _Part, target: int, layout: Layout, given: torch.Size) -> Layout | None:
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


def _channel_axis(part: _Part, target: int, given: torch.Size) -> int | None:
    """Say along which axis of what is given a mark may move and reach the same."""
    middle = tuple((size - 1) // 2 for size in given)
    first = part.reached(target, _one_at(middle))
    for axis in (len(given) - 1, 1):
        if given[axis] < 2 or first is None:
            continue
        other = part.reached(
            target, _one_at((*middle[:axis], given[axis] - 1, *middle[axis + 1 :]))
        )
        if other is not None and torch.equal(first.values, other.values):
            return axis
    return None
