"""One pass over a stack: every head's statistics and its thumbnail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.models.run_cost import STREAMED_FROM
from viz.patterns.max_pooling import pool_max_into
from viz.patterns.streamed_statistics import row_statistics
from viz.patterns.tile_pyramid import Pooling

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
    """Small pictures of all heads.

    Attributes:
        values: float16, shape [number of heads, row, column]. By `max`: the largest weight of the
            cells that each stands for, which are the weights themselves where the text is short
            enough. By `mean`: their mean, as a share of the head's largest mean.
        layers: the layer of each picture.
        heads: the head of each picture.
        pooling: `max`, or `mean` for long texts.
    """

    values: NDArray[np.float16]
    layers: list[int]
    heads: list[int]
    pooling: Pooling = "max"


@dataclass(frozen=True, slots=True)
class LayerSurvey:
    """What a pass over one layer found: means [5, head], pictures, and log-sum-exps of rows.

    `totals` [head, query] is None where only a pass over short rows was needed, or the model gave
    weights and no scores.
    """

    means: NDArray[np.float32]
    pictures: NDArray[np.float16]
    totals: Tensor | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a stack found of every head, and of the rows of every layer, as far as it went."""

    statistics: Statistics
    thumbnails: Thumbnails
    layers: Mapping[int, LayerSurvey]

    @property
    def memory_bytes(self) -> int:
        """What keeping it costs."""
        rows = [one.totals for one in self.layers.values() if one.totals is not None]
        return self.thumbnails.values.nbytes + sum(one.numel() * 4 for one in rows)


def overview(
    stack: Stack, *, side: int | None = None, progress: Progress | None = None
) -> tuple[Statistics, Thumbnails]:
    """Compute statistics and thumbnails of every head in one pass, exactly.

    Args:
        stack: what to look at.
        side: rows and columns of a thumbnail; chosen to fit `THUMBNAIL_BYTES` if None.
        progress: called with "draw" and the share done; may raise to cancel.
    """
    found = survey(stack, side=side, progress=progress)
    return found.statistics, found.thumbnails


def survey(
    stack: Stack,
    *,
    side: int | None = None,
    known: dict[int, LayerSurvey] | None = None,
    first: Sequence[int] = (),
    progress: Progress | None = None,
) -> Survey:
    """Go over every head of a stack once, exactly.

    Args:
        stack: what to look at.
        side: rows and columns of a thumbnail; chosen to fit `THUMBNAIL_BYTES` if None.
        known: layers that are done already; those that this pass does are added as they are done,
            so that one that was cancelled goes on where it stopped.
        first: layers to begin with, those that somebody sees.
        progress: called with "draw" and the share done; may raise to cancel.

    Cost: of short texts layer * head * n^2 * d in blocks; of long ones two calls of the fast kernel
    a layer. Memory grows with n.
    """
    done = {} if known is None else known
    order = [*dict.fromkeys([*first, *range(stack.layers)])]
    for layer in (one for one in order if one not in done):

        def going() -> None:
            if progress is not None:
                progress("draw", len(done) / stack.layers)

        going()
        done[layer] = survey_layer(stack, layer, side=side, going=going)
    return surveyed(stack, done)


def survey_layer(
    stack: Stack,
    layer: int,
    *,
    side: int | None = None,
    going: Callable[[], None] = lambda: None,
) -> LayerSurvey:
    """Go over every head of one layer once, exactly; see `survey`.

    Args:
        stack: what to look at.
        layer: from 0.
        side: rows and columns of a thumbnail; chosen to fit `THUMBNAIL_BYTES` if None.
        going: called between blocks; may raise to cancel.
    """
    heads = sum(stack.heads(number) for number in range(stack.layers))
    edge = side or thumbnail_side(heads, _length(stack))
    look = _streamed if _length(stack) > STREAMED_FROM else _pooled
    return look(stack.record(layer), edge, going)


def surveyed(stack: Stack, known: Mapping[int, LayerSurvey]) -> Survey:
    """Put together what is known of a stack; layers that are not have no numbers and empty pictures."""
    counts = [stack.heads(layer) for layer in range(stack.layers)]
    done = {layer: known[layer] for layer in range(stack.layers) if layer in known}
    means = np.full((5, stack.layers, max(counts)), np.nan, dtype=np.float32)
    for layer, found in done.items():
        means[:, layer, : counts[layer]] = found.means
    shape = next((one.pictures.shape[1:] for one in done.values()), (1, 1))
    thumbnails = Thumbnails(
        values=np.concatenate(
            [
                done[layer].pictures if layer in done else np.zeros((heads, *shape), np.float16)
                for layer, heads in enumerate(counts)
            ]
        ),
        layers=[layer for layer, heads in enumerate(counts) for _ in range(heads)],
        heads=[head for heads in counts for head in range(heads)],
        pooling="mean" if _length(stack) > STREAMED_FROM else "max",
    )
    return Survey(Statistics(*means), thumbnails, done)


def _length(stack: Stack) -> int:
    return max(len(stack.queries), len(stack.keys))


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


def _streamed(record: Layer, side: int, going: Callable[[], None]) -> LayerSurvey:
    """Look at a layer of a long text through the fast kernel."""
    rows = row_statistics(record, going, side=side)
    looking = (rows.mass > 0).sum(dim=1).clamp(min=1)
    names = (rows.entropy, rows.distance, rows.first, rows.current, rows.previous)
    means = torch.stack([one.double().sum(dim=1) / looking for one in names])
    picture = rows.thumbnail
    largest = picture.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return LayerSurvey(
        means.float().cpu().numpy(), (picture / largest).half().cpu().numpy(), rows.totals
    )


def _pooled(record: Layer, side: int, going: Callable[[], None]) -> LayerSurvey:
    """Look at a layer of a short text weight by weight."""
    queries, keys = record.shape
    heads = record.heads
    device = record.tensors[0].device
    totals = torch.zeros(5, heads, dtype=torch.float64, device=device)
    picture = torch.zeros(heads, min(side, queries), min(side, keys), device=device)
    looking = torch.zeros(heads, dtype=torch.int64, device=device)
    everyone = torch.arange(queries, device=device)
    for rows, weights, first in blocks(record, slice(0, heads), everyone):
        going()
        totals += _row_sums(weights, rows + (keys - queries), first).double()
        looking += (weights.sum(dim=-1) > 0).sum(dim=1)  # heads may have masks of their own
        pool_max_into(picture, weights, rows, first, queries, keys)
    means = (totals / looking.clamp(min=1)).float().cpu().numpy()
    return LayerSurvey(means, picture.half().cpu().numpy(), None)


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
