"""One pass over a stack: every head's statistics and its thumbnail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layer import Layer, blocks
from viz.capture.stack import Stack
from viz.patterns.pooling import pool_max_into

Progress = Callable[[str, float], None]

# All thumbnails together stay under this, however many heads and tokens there are.
THUMBNAIL_BYTES = 1_200_000

# More pixels than a thumbnail has on a dense screen add nothing.
LARGEST_THUMBNAIL = 64


@dataclass(frozen=True, slots=True)
class Statistics:
    """Means over the query rows of each head; float32, shape [layer, head], NaN where no head is.

    Attributes:
        entropy_nats: `-sum w log w` of a row; 0 looks at one token, log(n) at all alike.
        mean_distance: `sum w |query - key|` in units; like the last two it means something only where
            queries stand among the keys (`Stack.aligned`).
        first: weight on the first unit.
        current: weight on the query's own unit.
        previous: weight on the unit before.
    """

    entropy_nats: NDArray[np.float32]
    mean_distance: NDArray[np.float32]
    first: NDArray[np.float32]
    current: NDArray[np.float32]
    previous: NDArray[np.float32]

    NAMES = ("entropy_nats", "mean_distance", "first", "current", "previous")

    def as_frame(self) -> pd.DataFrame:
        """Return one row a head, named as the page names it."""
        layers, heads = self.entropy_nats.shape
        frame = pd.DataFrame(
            {
                "layer": np.repeat(np.arange(layers), heads),
                "head": np.tile(np.arange(heads), layers),
                "entropy (nats)": self.entropy_nats.ravel(),
                "mean distance": self.mean_distance.ravel(),
                "first token": self.first.ravel(),
                "current token": self.current.ravel(),
                "previous token": self.previous.ravel(),
            }
        )
        return frame.dropna(subset=["entropy (nats)"]).reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Small pictures of all heads: each cell is the largest weight of the cells it stands for.

    Attributes:
        values: float16, shape [number of heads, row, column]; the weights themselves where the
            text is short enough.
        layers: the layer of each picture.
        heads: the head of each picture.
    """

    values: NDArray[np.float16]
    layers: list[int]
    heads: list[int]


def overview(
    stack: Stack, *, side: int | None = None, progress: Progress | None = None
) -> tuple[Statistics, Thumbnails]:
    """Compute statistics and thumbnails of every head in one pass, exactly.

    Args:
        stack: what to look at.
        side: rows and columns of a thumbnail; chosen to fit `THUMBNAIL_BYTES` if None.
        progress: called with "draw" and the share done, layer by layer; may raise to cancel.

    Cost: layer * head * n^2 * d, in blocks; memory grows with n.
    """
    counts = [stack.heads(layer) for layer in range(stack.layers)]
    edge = side or thumbnail_side(sum(counts), max(len(stack.queries), len(stack.keys)))
    sums = np.full((5, stack.layers, max(counts)), np.nan, dtype=np.float32)
    pictures = []
    for layer, heads in enumerate(counts):
        if progress is not None:
            progress("draw", layer / stack.layers)
        totals, picture = _layer_overview(stack.record(layer), edge)
        sums[:, layer, :heads] = totals
        pictures.append(picture)
    thumbnails = Thumbnails(
        values=np.concatenate(pictures),
        layers=[layer for layer, heads in enumerate(counts) for _ in range(heads)],
        heads=[head for heads in counts for head in range(heads)],
    )
    return Statistics(*sums), thumbnails


def statistics(stack: Stack, *, progress: Progress | None = None) -> Statistics:
    """Compute the statistics of every head; see `overview`."""
    return overview(stack, side=1, progress=progress)[0]


def thumbnails(
    stack: Stack, *, side: int | None = None, progress: Progress | None = None
) -> Thumbnails:
    """Draw every head small; see `overview`."""
    return overview(stack, side=side, progress=progress)[1]


def thumbnail_side(heads: int, units: int) -> int:
    """Return the largest side at which all heads' float16 pictures fit their budget."""
    fitting = math.isqrt(THUMBNAIL_BYTES // (2 * max(1, heads)))
    return max(1, min(units, LARGEST_THUMBNAIL, fitting))


def _layer_overview(record: Layer, side: int) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Return the five statistics [5, head] and the thumbnails [head, row, column] of a layer."""
    queries, keys = record.shape
    heads = record.heads
    device = record.tensors[0].device
    totals = torch.zeros(5, heads, dtype=torch.float64, device=device)
    picture = torch.zeros(heads, min(side, queries), min(side, keys), device=device)
    looking = 0
    everyone = torch.arange(queries, device=device)
    for rows, weights, first in blocks(record, slice(0, heads), everyone):
        totals += _row_sums(weights, rows + (keys - queries), first).double()
        looking += int((weights[0].sum(dim=-1) > 0).sum())
        pool_max_into(picture, weights, rows, first, queries, keys)
    means = (totals / max(1, looking)).float().cpu().numpy()
    return means, picture.half().cpu().numpy()


def _row_sums(weights: Tensor, at: Tensor, first: int) -> Tensor:
    """Sum the five statistics over a block's rows.

    Args:
        weights: [head, row, key run].
        at: position of each row's query among the keys.
        first: the run's first key.

    Returns:
        Shape [5, head].
    """
    run = weights.shape[-1]
    positions = torch.arange(first, first + run, device=weights.device)
    distance = (positions[None, :] - at[:, None]).abs().float()
    entropy = torch.special.entr(weights).sum(dim=(1, 2))
    far = torch.mv(weights.reshape(weights.shape[0], -1), distance.reshape(-1))
    on_first = weights[:, :, 0].sum(dim=1) if first == 0 else torch.zeros_like(far)
    return torch.stack(
        [entropy, far, on_first, _beside(weights, at - first), _beside(weights, at - first - 1)]
    )


def _beside(weights: Tensor, columns: Tensor) -> Tensor:
    """Sum the weight that each row puts on one column of its own, where there is one; [head]."""
    run = weights.shape[-1]
    inside = (columns >= 0) & (columns < run)
    rows = torch.arange(len(columns), device=weights.device)[inside]
    return weights[:, rows, columns[inside]].sum(dim=1)
