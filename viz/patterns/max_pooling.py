"""Patterns at a coarser scale: each cell the largest weight among the cells it stands for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.stack import Stack


def pool_edges(units: int, size: int) -> list[int]:
    """Cut `units` into at most `size` neighbouring groups that differ by at most one unit.

    Returns:
        The first unit of each group, and `units` at the end.
    """
    groups = min(units, size)
    return [units * group // groups for group in range(groups + 1)]


def row(stack: Stack, layer: int, head: int, query: int) -> NDArray[np.float32]:
    """What one query looks at, float32 [key]."""
    return stack.weights(layer, head, rows=[query])[0].cpu().numpy()


def pool_max_into(
    picture: Tensor, weights: Tensor, rows: Tensor, first: int, queries: int, keys: int
) -> None:
    """Fold a block of weights into a picture by maximum, in place.

    Args:
        picture: [head, row group, column group].
        weights: [head, row, key run].
        rows: the query of each row.
        first: the run's first key.
        queries: rows of the whole pattern.
        keys: columns of the whole pattern.
    """
    heads, tall, wide = picture.shape
    # Group g holds the units from units*g//groups on; this is that rule turned around.
    row_groups = ((rows + 1) * tall - 1) // queries
    if wide == keys:
        across = weights
        column_groups = torch.arange(first, first + weights.shape[-1], device=weights.device)
    else:
        across, column_groups = _pool_columns(weights, first, keys, wide)
    if tall == queries:
        picture[:, rows[:, None], column_groups[None, :]] = across
        return
    index = row_groups[None, :, None].expand_as(across)
    down = torch.zeros(heads, tall, across.shape[-1], device=across.device)
    down.scatter_reduce_(1, index, across, "amax")
    picture[:, :, column_groups] = torch.maximum(picture[:, :, column_groups], down)


def _pool_columns(weights: Tensor, first: int, keys: int, wide: int) -> tuple[Tensor, Tensor]:
    """Take the maximum over each group of keys that the run touches."""
    last = first + weights.shape[-1]
    edges = torch.tensor(pool_edges(keys, wide), device=weights.device)
    starts = edges[:-1].clamp(min=first)
    touched = (edges[:-1] < last) & (edges[1:] > first)
    groups = torch.arange(wide, device=weights.device)[touched]
    lengths = (edges[1:].clamp(max=last) - starts)[touched]
    if bool((lengths == lengths[0]).all()):
        shape = (*weights.shape[:-1], len(groups), int(lengths[0]))
        return weights.reshape(shape).amax(dim=-1), groups
    pieces = torch.split(weights, lengths.tolist(), dim=-1)
    return torch.stack([piece.amax(dim=-1) for piece in pieces], dim=-1), groups
