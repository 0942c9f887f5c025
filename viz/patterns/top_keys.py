"""What each query looks at most: a few keys a row, in memory that grows with the text only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from viz.capture.layers.recorded_layer import blocks
from viz.capture.stack import Stack
from viz.errors import ShapeError
from viz.patterns.attention_sinks import likely_sinks

# More lines than this from one token nobody can tell apart.
MOST_KEYS = 16


@dataclass(frozen=True, slots=True)
class Edges:
    """The largest weights of each row of one head, the largest first; of equal ones the first key.

    Attributes:
        weights: as stored, float32 [query, k]; 0 where there is none.
        keys: int32 [query, k]; -1 where there is none.
        sink: the key that was left out as the sink; None where none was.
    """

    weights: NDArray[np.float32]
    keys: NDArray[np.int32]
    sink: int | None = None

    def largest(self, count: int, *, threshold: float = 0.0) -> Edges:
        """Return fewer of them: of each row the largest, and none under a threshold."""
        weights, keys = self.weights[:, :count], self.keys[:, :count]
        shown = weights >= threshold
        thin: NDArray[np.float32] = np.where(shown, weights, np.float32(0))
        return Edges(thin, np.where(shown, keys, np.int32(-1)), self.sink)


def largest_edges(
    stack: Stack,
    layer: int,
    head: int,
    count: int = MOST_KEYS,
    *,
    threshold: float = 0.0,
    without_special: bool = False,
    without_sink: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Edges:
    """Find the keys that each query looks at most.

    Args:
        stack: what to look at.
        layer: from 0.
        head: from 0.
        count: at most so many keys a query, 1 to `MOST_KEYS`.
        threshold: leave smaller weights out.
        without_special: leave out what looks from or at special tokens.
        without_sink: leave out the key that takes most weight among the first and the special ones.
        progress: called with the share done after every block of rows; may raise to cancel.

    Returns:
        Weights as they are stored: rows are not renormalised over what is left.

    Raises:
        ShapeError: the layer or the head does not exist, or the count is none.

    Cost: n^2 * d in blocks of rows; memory n * count.
    """
    if not 1 <= count <= MOST_KEYS:
        raise ShapeError(
            f"{count} keys a query were asked for.", f"Ask for 1 to {MOST_KEYS} of them."
        )
    record = stack.record_with(layer, head)
    queries, total = record.shape
    device = record.tensors[0].device
    special = torch.tensor(stack.keys.special, device=device)
    likely = likely_sinks(stack.keys).to(device) if without_sink else torch.arange(0)
    taken = np.zeros(len(likely))
    # One more of each row, because the sink is known only at the end.
    width = min(total, count + 1 if len(likely) else count)
    weights = np.zeros((queries, width), dtype=np.float32)
    keys = np.full((queries, width), -1, dtype=np.int32)
    for rows, block, first in blocks(
        record, slice(head, head + 1), torch.arange(queries, device=device)
    ):
        last = first + block.shape[-1]
        here = (likely >= first) & (likely < last)
        on_likely = block[0][:, likely[here] - first].sum(dim=0, dtype=torch.float64)
        taken[here.cpu().numpy()] += on_likely.cpu().numpy()
        left = block[0].masked_fill(special[first:last], 0.0) if without_special else block[0]
        top = torch.topk(left, min(width, last - first), dim=1)
        at = slice(int(rows[0]), int(rows[-1]) + 1), slice(0, top.values.shape[1])
        weights[at] = top.values.cpu().numpy()
        keys[at] = (top.indices + first).int().cpu().numpy()
        if progress is not None:
            progress(int(rows[-1] + 1) / queries)
    if without_special:
        weights[np.array(stack.queries.special)] = 0
    sink = int(likely[int(taken.argmax())]) if len(likely) else None
    return _ordered(weights, keys, sink).largest(count, threshold=threshold)


def _ordered(weights: NDArray[np.float32], keys: NDArray[np.int32], sink: int | None) -> Edges:
    """Blank what has no weight or lies on the sink, and put the largest first."""
    gone = weights <= 0 if sink is None else (weights <= 0) | (keys == sink)
    weights, keys = np.where(gone, np.float32(0), weights), np.where(gone, np.int32(-1), keys)
    order = np.lexsort((keys, -weights), axis=-1)
    return Edges(
        np.take_along_axis(weights, order, axis=1), np.take_along_axis(keys, order, axis=1), sink
    )
