"""What to look at first: a head and a query whose weights lie on something.

In the early layers of models of pictures and sounds most heads look at all alike or at where they are, and
many heads rest on a sink. A late one, from a query whose weight lies on a few places off the sink and off
itself, shows what attention is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.capture.stack_building import main_stack
from viz.inputs.frame_times import times_of
from viz.inputs.units import patch_grid

# The layers that are tried: the last of so many parts, but never the very first layer alone.
LATE = 3

# Queries that are tried beside the special ones, evenly spaced.
MOST_TRIED = 96

# A key is a sink of a head if it takes that many times its share of most rows that are tried.
SINK = 8.0

# Weight on fewer of the keys than this share is as good as on one; on all alike it shows nothing.
FEW = 0.1

# A special query, such as a class token, stands for the whole and is taken before a place that shows as much.
SPECIAL = 1.15


class Opening(NamedTuple):
    """A head and a query that are worth seeing first."""

    layer: int
    head: int
    query: int


def opening_stack(stacks: Mapping[str, Stack]) -> Stack:
    """Return the stack to see first: where words look at a sound, if there is such a one; else the main one."""
    crossing = [
        stack
        for stack in stacks.values()
        if times_of(stack.keys) is not None and times_of(stack.queries) is None
    ]
    return crossing[-1] if crossing else main_stack(stacks)


def opening(stack: Stack, head: tuple[int, int] | None = None) -> Opening:
    """Choose a head of the late layers and a query to see first, by what their weights lie on.

    Args:
        stack: whose.
        head: (layer, head), where only the query is to be chosen.

    Cost: some hundred rows of each late head.
    """
    first = stack.layers - max(1, stack.layers // LATE)
    layers = range(first, stack.layers) if head is None else range(head[0], head[0] + 1)
    rows = _tried(stack)
    best, found = -math.inf, Opening(layers[-1], 0, int(rows[0]))
    for layer in layers:
        scores = worth(stack, stack.record(layer), rows)
        if head is not None:
            scores = scores[head[1] : head[1] + 1]
        at = int(scores.argmax())
        if float(scores.max()) > best:
            best = float(scores.max())
            one, row = divmod(at, len(rows))
            found = Opening(layer, one if head is None else head[1], int(rows[row]))
    return found


def worth(stack: Stack, record: Layer, rows: Tensor) -> Tensor:
    """Say how much there is to see in rows of each head, from 0 for nothing.

    It is the weight off the sinks, off special keys and off the query itself and what touches it, times
    how few keys it lies on and, in a picture, how much of it lies together.

    Returns:
        Shape [head, row].
    """
    keys = record.shape[1]
    weights = torch.zeros(record.heads, len(rows), keys)
    done = 0
    for block, part, first in blocks(record, slice(0, record.heads), rows):
        weights[:, done : done + len(block), first : first + part.shape[-1]] = part.cpu()
        done += len(block)
    # Of a few rows nothing tells what all look at from what one does.
    usual = weights.median(dim=1).values if len(rows) > 2 else weights.new_zeros(record.heads, keys)
    aside = (usual > SINK / keys)[:, None] | torch.tensor(stack.keys.special)  # [head, row, key]
    if stack.aligned:
        aside = aside | _beside(stack, rows)
    seen = weights.masked_fill(aside, 0)
    mass = seen.sum(dim=-1)
    share = seen / mass.clamp(min=1e-9)[..., None]
    spread = torch.special.entr(share).sum(dim=-1) - math.log(keys)  # log of the share of the keys
    few = (spread / math.log(FEW)).clamp(0, 1)
    score = mass * few * _together(stack, share)
    special = torch.tensor(stack.queries.special)[rows]
    return torch.where(special, score * SPECIAL, score)


def _tried(stack: Stack) -> Tensor:
    """Choose queries: some of the places, evenly spaced, and class tokens; special words say little."""
    count = len(stack.queries)
    special = torch.tensor(stack.queries.special)
    plain = (~special).nonzero()[:, 0]
    if len(plain) == 0:
        return torch.arange(min(count, MOST_TRIED))
    step = max(1.0, len(plain) / MOST_TRIED)
    spaced = plain[(torch.arange(min(len(plain), MOST_TRIED)) * step + step / 2).long()]
    if patch_grid(stack.queries) is None:
        return spaced
    return torch.cat([special.nonzero()[:1, 0], spaced])


def _beside(stack: Stack, rows: Tensor) -> Tensor:
    """Say where a query looks at itself or at what touches it, bool [row, key]."""
    queries, keys = len(stack.queries), len(stack.keys)
    grid = patch_grid(stack.keys)
    at = rows if stack.queries == stack.keys else rows + (keys - queries)
    every = torch.arange(keys)
    if grid is None:
        return (every - at[:, None]).abs() <= 1
    down, across = (every - grid.before) // grid.columns, (every - grid.before) % grid.columns
    near = ((down - down[at][:, None]).abs() <= 1) & ((across - across[at][:, None]).abs() <= 1)
    return near & (every >= grid.before) & (at[:, None] >= grid.before)


def _together(stack: Stack, share: Tensor) -> Tensor:
    """Say how much of a row's weight lies beside other weight of it, [head, row]; 1 where that means nothing."""
    grid = patch_grid(stack.keys)
    if grid is None:
        return torch.ones(share.shape[:-1])
    patches = share[..., grid.before :].reshape(-1, 1, grid.rows, grid.columns)
    around = torch.nn.functional.avg_pool2d(patches, 3, stride=1, padding=1) * 9 - patches
    return torch.minimum(patches, around).sum(dim=(1, 2, 3)).reshape(share.shape[:2])
