"""Parts of a result, as a browser asks for them: tiles, edges, sums, names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.stack import Stack
from viz.errors import ShapeError
from viz.figures import text_layout
from viz.patterns import Address, head_detail, row_statistics, tile
from viz.patterns.attention_sinks import sink_key
from viz.patterns.span_sums import sum_over
from viz.patterns.tile_pyramid import Pooling
from viz.service.lru_store import BoundedStore
from viz.service.run_result import Analysis

# Tiles and log-sum-exps that are kept for when they are asked for again.
TILE_BYTES = 256_000_000
TOTALS_BYTES = 512_000_000

# What keeping one takes beside its numbers, which of a short text are fewer: its names, and the objects that hold it.
KEY_BYTES = 1_200

# Strongest edges that are listed.
EDGES = 100


@dataclass(frozen=True, slots=True)
class Head:
    """A head of a result, as a browser names it."""

    token: str
    stack: str
    layer: int
    head: int


class Tiles:
    """Answers what browsers ask of results that are kept.

    Args:
        find: returns a result by its token; raises where there is none.
    """

    def __init__(self, find: Callable[[str], Analysis]) -> None:
        self._find = find
        self._kept: BoundedStore[NDArray[np.float16]] = BoundedStore(
            TILE_BYTES, lambda one: one.nbytes + KEY_BYTES
        )
        self._totals: BoundedStore[Tensor] = BoundedStore(
            TOTALS_BYTES, lambda one: one.nbytes + KEY_BYTES
        )

    def tile(
        self, head: Head, pooling: Pooling, address: Address, going: Callable[[], None]
    ) -> NDArray[np.float16]:
        """Return one tile of a head's pattern; see `viz.patterns.tile`.

        Raises:
            GoneError: the result was let go.
            ShapeError: there is no such stack, layer, head or tile.
        """
        stack = self._stack(head)
        # Single weights are the same by either.
        key = (head, address, pooling if address.level else "max")
        kept = self._kept.get(key)
        if kept is None:
            totals = self._totals_of(head, stack, going)
            kept = tile(stack.record(head.layer), head.head, totals, address, pooling, going)
            self._kept.put(key, kept)
        return kept

    def edges(self, head: Head, *, off_sink: bool, going: Callable[[], None]) -> dict[str, Any]:
        """List the strongest edges of a head: weights, queries and keys, the heaviest first.

        Args:
            head: whose.
            off_sink: leave out the key that takes most weight among the first and the special ones.
            going: called between blocks; may raise to cancel.
        """
        stack = self._stack(head)
        totals = self._totals_of(head, stack, going)
        record = stack.record(head.layer)
        sink = sink_key(record, head.head, totals, stack.keys, going) if off_sink else None
        found = head_detail(record, head.head, totals, edges=EDGES, without=sink, going=going)
        return {
            "weights": found.weights.tolist(),
            "queries": found.queries.tolist(),
            "keys": found.keys.tolist(),
        }

    def weight(self, head: Head, query: int, key: int) -> dict[str, float | None]:
        """Return one weight, which is None where the query may not look at the key.

        Raises:
            ShapeError: there is no such cell.
        """
        stack = self._stack(head)
        if not (0 <= query < len(stack.queries) and 0 <= key < len(stack.keys)):
            raise ShapeError(
                f"There is no cell {query}, {key} in a pattern of {len(stack.queries)} x "
                f"{len(stack.keys)}.",
                "Choose one inside of it.",
            )
        at = (head.layer, head.head, [query], [key])
        may_look = bool(stack.attended(*at)[0, 0])
        return {"weight": float(stack.weights(*at)[0, 0]) if may_look else None}

    def sums(
        self, head: Head, side: str, start: int, stop: int, going: Callable[[], None]
    ) -> NDArray[np.float32]:
        """Sum a head's weights over a span of queries, for each key; or the other way round."""
        stack = self._stack(head)
        totals = self._totals_of(head, stack, going)
        summed = sum_over(
            stack.record(head.layer), head.head, totals, side, range(start, stop), going
        )
        return summed.cpu().numpy()

    def units(self, token: str, stack: str) -> dict[str, Any]:
        """Lay out the texts that both axes of a stack's patterns stand for."""
        found = self._find(token).trace.stacks[stack]
        return {"queries": text_layout(found.queries), "keys": text_layout(found.keys)}

    def _stack(self, head: Head) -> Stack:
        stack = self._find(head.token).trace.stacks[head.stack]
        if not 0 <= head.head < stack.heads(head.layer):
            raise ShapeError(
                f"There is no head {head.head} in layer {head.layer}; its heads go from 0 to "
                f"{stack.heads(head.layer) - 1}.",
                "Choose one of them.",
            )
        return stack

    def _totals_of(self, head: Head, stack: Stack, going: Callable[[], None]) -> Tensor | None:
        """Return the log-sum-exp of a layer's rows, from the survey or computed once."""
        record = stack.record(head.layer)
        if not isinstance(record, RecordedLayer):
            return None
        surveyed = self._find(head.token).surveys[head.stack].layers.get(head.layer)
        if surveyed is not None and surveyed.totals is not None:
            return surveyed.totals
        key = (head.token, head.stack, head.layer)
        totals = self._totals.get(key)
        if totals is None:
            totals = row_statistics(record, going).totals
            assert totals is not None, "recorded layers have scores"
            self._totals.put(key, totals)
        return totals


def as_bytes(values: NDArray[Any]) -> bytes:
    """Lay numbers out row by row, little-endian."""
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
