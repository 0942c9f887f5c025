"""One pass over a stack: every head's statistics and its thumbnail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, blocks
from viz.capture.stack import Stack
from viz.models.run_cost import STREAMED_FROM
from viz.patterns import head_statistics  # noqa: F401 - adds the statistics of every head
from viz.patterns.max_pooling import pool_max_into
from viz.patterns.statistic import STATISTICS, Statistic, WeightBlock
from viz.patterns.streamed_statistics import row_statistics
from viz.patterns.tile_pyramid import Pooling

Progress = Callable[[str, float], None]

# The fields of `Statistics` that every pass fills.
BUILT_IN = ("entropy_nats", "mean_distance", "first", "current", "previous")

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
        others: those that were added to `STATISTICS`, by their fields.
    """

    entropy_nats: NDArray[np.float32]
    mean_distance: NDArray[np.float32]
    first: NDArray[np.float32]
    current: NDArray[np.float32]
    previous: NDArray[np.float32]
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    NAMES: ClassVar[tuple[str, ...]] = BUILT_IN

    def of(self, name: str) -> NDArray[np.float32]:
        """Return one by its field, [layer, head]; NaN everywhere where it was added after the pass."""
        if name in self.others:
            return self.others[name]
        missing = np.full_like(self.entropy_nats, np.nan)
        values: NDArray[np.float32] = getattr(self, name, missing)
        return values

    def as_frame(self) -> pd.DataFrame:
        """Return one row a head, its columns named as in a file."""
        layers, heads = self.entropy_nats.shape
        places = {
            "layer": np.repeat(np.arange(layers), heads),
            "head": np.tile(np.arange(heads), layers),
        }
        numbers = {one.column: self.of(one.field).ravel() for one in STATISTICS.values()}
        frame = pd.DataFrame({**places, **numbers})
        return frame[~np.isnan(self.entropy_nats.ravel())].reset_index(drop=True)

    @classmethod
    def from_means(cls, fields: Sequence[str], means: NDArray[np.float32]) -> Statistics:
        """Take apart what a pass found [statistic, layer, head], in the order of their fields."""
        found = dict(zip(fields, means, strict=True))
        own = {name: found.pop(name) for name in BUILT_IN}
        return cls(**own, others=found)


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
    """What a pass over one layer found: means [statistic, head] by field, pictures, log-sum-exps of rows.

    `totals` [head, query] is None where only a pass over short rows was needed, or the model gave
    weights and no scores.
    """

    fields: tuple[str, ...]
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
    fields = [one.field for one in STATISTICS.values()]
    means = np.full((len(fields), stack.layers, max(counts)), np.nan, dtype=np.float32)
    for layer, found in done.items():
        for name, of_heads in zip(found.fields, found.means, strict=True):
            if name in fields:
                means[fields.index(name), layer, : counts[layer]] = of_heads
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
    return Survey(Statistics.from_means(fields, means), thumbnails, done)


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
    told = {one.field: one.of_rows(rows) for one in STATISTICS.values() if one.of_rows is not None}
    untold = [one for one in STATISTICS.values() if one.of_rows is None]
    means = {name: of_rows.double().sum(dim=1) / looking for name, of_rows in told.items()}
    if untold:
        sums = _sums(record, untold, going)
        means |= {one.field: of_heads / looking for one, of_heads in zip(untold, sums, strict=True)}
    picture = rows.thumbnail
    largest = picture.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return LayerSurvey(*_as_means(means), (picture / largest).half().cpu().numpy(), rows.totals)


def _pooled(record: Layer, side: int, going: Callable[[], None]) -> LayerSurvey:
    """Look at a layer of a short text weight by weight."""
    queries, keys = record.shape
    heads = record.heads
    device = record.tensors[0].device
    every = STATISTICS.values()
    totals = torch.zeros(len(every), heads, dtype=torch.float64, device=device)
    picture = torch.zeros(heads, min(side, queries), min(side, keys), device=device)
    looking = torch.zeros(heads, dtype=torch.int64, device=device)
    everyone = torch.arange(queries, device=device)
    for rows, weights, first in blocks(record, slice(0, heads), everyone):
        going()
        block = WeightBlock(weights, rows + (keys - queries), first, keys)
        totals += torch.stack([one.sum_of(block) for one in every]).double()
        looking += (weights.sum(dim=-1) > 0).sum(dim=1)  # heads may have masks of their own
        pool_max_into(picture, weights, rows, first, queries, keys)
    means = totals / looking.clamp(min=1)
    named = {one.field: of_heads for one, of_heads in zip(every, means, strict=True)}
    return LayerSurvey(*_as_means(named), picture.half().cpu().numpy(), None)


def _sums(record: Layer, every: Sequence[Statistic], going: Callable[[], None]) -> Tensor:
    """Sum statistics over all rows of a layer, weight by weight; float64 [statistic, head]."""
    queries, keys = record.shape
    device = record.tensors[0].device
    totals = torch.zeros(len(every), record.heads, dtype=torch.float64, device=device)
    everyone = torch.arange(queries, device=device)
    for rows, weights, first in blocks(record, slice(0, record.heads), everyone):
        going()
        block = WeightBlock(weights, rows + (keys - queries), first, keys)
        totals += torch.stack([one.sum_of(block) for one in every]).double()
    return totals


def _as_means(means: Mapping[str, Tensor]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    return tuple(means), torch.stack([*means.values()]).float().cpu().numpy()
