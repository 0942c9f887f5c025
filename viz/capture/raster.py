"""Whether the patches of a picture stand row by row, as their names say.

Some towers put them into another order before their first layer (Hiera unrolls its units, LW-DETR cuts
windows). The shape of the weights does not tell; a picture that differs in two patches does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from viz.capture.layer import blocks
from viz.capture.stack import Stack, Stacks
from viz.models.tokens import Grid, Units, numbered_units, patch_grid

PIXELS = "pixel_values"

# Heads that are compared; patches that moved show in any.
HEADS = 4


Sides = tuple[bool, bool]
Known = dict[tuple[str, int, int], Sides]


def with_true_places(
    stacks: Mapping[str, Stack],
    inputs: Mapping[str, Any],
    known: Known,
    again: Callable[[dict[str, Any]], Mapping[str, Stack]],
) -> Stacks:
    """Name patches by row and column only where that is where they are.

    Args:
        stacks: of one picture, named as if its patches stood row by row.
        inputs: that made them, with `pixel_values` [1, channel, height, width].
        known: what was found out before of stacks of these names and shapes; is added to.
        again: captures other inputs.

    Returns:
        The stacks; patches that stand elsewhere are numbered.

    Cost: one more capture where a stack is not known yet.
    """
    named = {name: stack for name, stack in stacks.items() if any(map(patch_grid, _sides(stack)))}
    if any(_key(stack) not in known for stack in named.values()):
        grids = [
            grid for stack in named.values() for grid in map(patch_grid, _sides(stack)) if grid
        ]
        finest = max(grids, key=lambda grid: grid.rows * grid.columns)
        places = _places(finest)
        others = again({**inputs, PIXELS: _with_noise(inputs[PIXELS], finest, places)})
        for name, stack in named.items():
            queries, keys = _changed(stack, others[name])
            known[_key(stack)] = (
                _is_there(stack.queries, finest, places, queries),
                _is_there(stack.keys, finest, places, keys),
            )
    return Stacks(
        (name, _renamed(stack, known[_key(stack)]) if name in named else stack)
        for name, stack in stacks.items()
    )


def _sides(stack: Stack) -> tuple[Units, Units]:
    return stack.queries, stack.keys


def _key(stack: Stack) -> tuple[str, int, int]:
    return stack.name, len(stack.queries), len(stack.keys)


def _renamed(stack: Stack, in_place: Sides) -> Stack:
    """Number the patches of a side where they are not in place."""
    queries, keys = (
        units if right else _numbered(units)
        for units, right in zip(_sides(stack), in_place, strict=True)
    )
    return replace(stack, queries=queries, keys=keys)


def _places(grid: Grid) -> list[tuple[int, int]]:
    """Choose patches that windows of any size, columns before rows, or halves would move."""
    return [(2 * grid.rows // 3, grid.columns // 3), (grid.rows // 3, grid.columns - 1)]


def _with_noise(pixels: Tensor, grid: Grid, places: list[tuple[int, int]]) -> Tensor:
    """Put noise where these patches are."""
    noisy = pixels.clone()
    generator = torch.Generator().manual_seed(0)
    high, wide = pixels.shape[-2] // grid.rows, pixels.shape[-1] // grid.columns
    for row, column in places:
        spot = noisy[..., row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        noise = torch.randn(spot.shape, generator=generator).to(spot)
        # As different from the patch as can be, whatever the picture's range.
        spot.copy_(noise * max(1.0, float(pixels.float().std())) - spot)
    return noisy


def _changed(one: Stack, other: Stack) -> tuple[Tensor, Tensor]:
    """How much each query's and each key's weights changed in the first layer; [query], [key]."""
    mine, theirs = one.record(0), other.record(0)
    queries, keys = mine.shape
    by_query, by_key = torch.zeros(queries), torch.zeros(keys)
    rows = torch.arange(queries, device=mine.tensors[0].device)
    heads = slice(0, min(HEADS, mine.heads))
    pairs = zip(blocks(mine, heads, rows), blocks(theirs, heads, rows), strict=True)
    for (block, weights, first), (_, others, start) in pairs:
        if first != start or weights.shape != others.shape:
            return torch.zeros(queries), torch.zeros(keys)
        change = (weights - others).abs().sum(dim=0).cpu()
        by_query[block.cpu()] += change.sum(dim=1)
        by_key[first : first + change.shape[1]] += change.sum(dim=0)
    if queries == keys:
        return (by_query + by_key,) * 2
    return by_query, by_key


def _is_there(units: Units, finest: Grid, places: list[tuple[int, int]], change: Tensor) -> bool:
    """Whether what changed most is where the noise was; units without places need none."""
    grid = patch_grid(units)
    if grid is None:
        return True
    expected = {
        (row * grid.rows // finest.rows) * grid.columns + column * grid.columns // finest.columns
        for row, column in places
    }
    # Tokens before the patches look at all of them, and so change too.
    patches = change[grid.before :]
    found = patches.topk(min(len(expected), len(patches))).indices.tolist()
    return bool(expected & set(found))


def _numbered(units: Units) -> Units:
    """Name patches by their number alone."""
    plain = numbered_units("patch", len(units)).labels
    labels = tuple(
        own if special else number
        for own, number, special in zip(units.labels, plain, units.special, strict=True)
    )
    return replace(units, labels=labels)
