"""Which axes of attention that is written out are heads, windows, queries and keys: read off what it does.

One number that a part is given is marked, and the part runs again. Values are made of it in every head,
because a projection mixes channels into heads, and at one place alone, its token's. So an axis of which
it reaches all is one of heads, one of which it reaches a place is one of tokens, items or windows; and
keys of which one token reaches all are no tokens (experts, channels). No name and no number that the
part carries is believed, and where the part does not tell, nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.replay.product_axes import Axes
from viz.capture.replay.replay_with_marked_values import Reached, tensors_in
from viz.capture.tiers.part_calls import PartCall
from viz.capture.tiers.product_layout import Layout, ReadPart, Splits, one_at, undone
from viz.capture.tiers.registry import unobserved
from viz.models.preserve_state import preserved

# How many tensors a part was given are tried, and how many parts outwards.
TRIED = 16
OUTWARDS = 4

# Dimensions of a picture: [batch, channel, row, column], channels first or last.
PICTURE = 4

# Items, windows and heads may be folded into one axis, and no more.
MOST_SPLITS = 2


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
    first: Layout | None = None
    fallback: Layout | None = None
    split: tuple[int, tuple[int, int]] | None = None


def read_layout(
    call: PartCall,
    number: int,
    axes: Axes,
    shape: torch.Size,
    shared: int,
    splits: Splits = (),
    *,
    name: str = "",
    heads: int | None = None,
    earlier: Sequence[int] = (),
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
        name: of the part whose code made the product, for messages.
        heads: how many that part says it has; asked only where it does not show.
        earlier: other products that weighed values before this one.

    Cost: two runs of the part, usually; more where it has windows.
    """
    seen = _Seen(set(), set())
    lead = range(len(shape) - 1)
    with unobserved():
        for level in _outwards(call):
            with preserved(level.part):
                part = ReadPart(level, number - level.first, axes, splits)
                within = [n - level.first for n in earlier if n >= level.first]
                layout = _at_level(part, shape, shared, seen, within)
            if seen.split is not None and len(splits) < MOST_SPLITS:
                axis, sizes = seen.split
                unfolded = torch.Size([*shape[:axis], *sizes, *shape[axis + 1 :]])
                both = (*splits, seen.split)
                return read_layout(
                    *(call, number, axes, unfolded, shared + 1, both),
                    name=name,
                    heads=heads,
                    earlier=earlier,
                )
            if layout is not None:
                return layout
    if seen.fallback is not None and _came_in_windows(call, shape, seen.fallback):
        return seen.fallback
    free = [a for a in lead if shape[a] > 1]
    if seen.whole and not seen.values_told:
        return Unclear(
            "weighs what every token reaches (channels, experts or copies), and no tokens",
            "That is no attention between tokens.",
            mixes=True,
        )
    told = _as_told(shape, shared, heads) if not seen.values_told else None
    if told is not None:
        return told
    if not seen.values_told and len(free) > 1:
        spelled = " x ".join(str(size) for size in shape)
        return Unclear(
            f"weighs its values by a softmax of {spelled}, of which it cannot be told which axis is "
            "heads",
            f"Set `num_heads` on {name or 'the model'}",
            mixes=True,
        )
    return Unclear(
        "weighs its values by a softmax whose queries come from no token that it is given",
        "Say what it computes",
        mixes=True,
    )


def _as_told(shape: torch.Size, shared: int, heads: int | None) -> Layout | None:
    """Believe a number of heads where one axis has it and every other but the queries' is 1."""
    long = [a for a in range(len(shape) - 1) if shape[a] > 1]
    mine = [a for a in long if shape[a] == heads]
    own = range(shared, len(shape) - 1)
    if heads is None or len(long) != len(mine[:1]) + sum(a in own for a in long if a not in mine):
        return None
    if len(mine) > 1 and not (mine[0] < shared <= mine[1] and len(long) == len(mine)):
        return None  # as many queries as heads, and no telling which is which
    return Layout(
        heads=tuple(mine[:1]),
        windows=tuple(a for a in range(shared) if a not in mine[:1]),
        queries=tuple(a for a in own if a not in mine[:1]),
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


def _at_level(
    part: ReadPart, shape: torch.Size, shared: int, seen: _Seen, earlier: Sequence[int]
) -> Layout | None:
    """Try what one part was given, the earliest first: of later ones, some are cut by head already."""
    for target, sizes in part.given(earlier)[:TRIED]:
        reached = part.reached(target, one_at(tuple((size - 1) // 2 for size in sizes)))
        if reached is None or not _take(reached, shape, shared, seen):
            continue
        if seen.split is not None:
            return None
        layout = _complete(shape, shared, seen, part.splits)
        if layout is None:
            continue
        if math.prod(shape[a] for a in layout.windows) == 1:
            return layout
        if seen.first is not None and layout != seen.first:
            continue  # what is nearest to the product tells; further out, tokens are mixed
        seen.first = layout
        # Tokens in a row, or a picture's in rows and columns; anything else is cut already.
        uncut = len(sizes) <= PICTURE
        if (len(sizes) == 2 or sizes[0] in {1, *_batches(part.call)} or sizes[1] == 1) and uncut:
            in_order = undone(part, target, layout, sizes)
            if in_order is not None:
                return in_order
            continue
        # Windows that the part was given as they are; whoever cut them knows their order.
        seen.fallback = seen.fallback or layout
    return None


def _batches(call: PartCall) -> set[int]:
    """How many inputs the whole may have been given."""
    while call.outer is not None:
        call = call.outer
    return {one.shape[0] for one in tensors_in(call.args, call.kwargs) if one.ndim}


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
