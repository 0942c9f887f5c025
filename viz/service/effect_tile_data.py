"""Parts of patterns by what their weights do, as a browser asks for them; as `viz.service.tile_data` of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from viz.effects import Effects, WeightKind
from viz.effects.effect_tiles import HeadPlace, effect_tile, largest_effects, sums_of_effects
from viz.errors import ShapeError
from viz.patterns import Address, levels
from viz.patterns.tile_pyramid import Pooling
from viz.service.lru_store import BoundedStore
from viz.service.tile_data import EDGES, KEY_BYTES, TILE_BYTES, Head

Going = Callable[[], None]


@dataclass(frozen=True, slots=True)
class EffectHead:
    """A head of a result, and which effect of its weights on which prediction, as a browser names them."""

    head: Head
    effect: str
    kind: str


class EffectTiles:
    """Answers what browsers ask of effects that are kept.

    Args:
        find: returns effects by the token of a result and their own name; raises where there are none.
    """

    def __init__(self, find: Callable[[str, str], Effects]) -> None:
        self._find = find
        self._kept: BoundedStore[NDArray[np.float16]] = BoundedStore(
            TILE_BYTES, lambda one: one.nbytes + KEY_BYTES
        )
        self._largest: BoundedStore[float] = BoundedStore(100_000, lambda _: 1)

    def tile(
        self, asked: EffectHead, pooling: Pooling, address: Address, going: Going
    ) -> NDArray[np.float16]:
        """Return one tile as shares of the head's largest effect, from -1 to 1; see `effect_tile`.

        Raises:
            GoneError: the effects were let go.
            ShapeError: there is no such stack, layer, head, kind or tile.
        """
        key = (asked, address, pooling if address.level else "max")
        kept = self._kept.get(key)
        if kept is None:
            found, place = self._place(asked)
            values = effect_tile(found, place, address, pooling, going)
            kept = (values / self.largest(asked, going)).astype(np.float16)
            self._kept.put(key, kept)
        return kept

    def largest(self, asked: EffectHead, going: Going) -> float:
        """Return how far from 0 a head's effects go; 1 where all are 0. Half floats hold shares of it."""
        kept = self._largest.get(asked)
        if kept is None:
            found, place = self._place(asked)
            kept = largest_of(found, place, going)[1]
            self._largest.put(asked, kept)
        return kept

    def weight(self, asked: EffectHead, query: int, key: int) -> dict[str, float | None]:
        """Return what one weight does, which is None where the query may not look at the key.

        Raises:
            ShapeError: there is no such cell.
        """
        found, place = self._place(asked)
        stack = found.trace.stacks[place.stack]
        if not (0 <= query < len(stack.queries) and 0 <= key < len(stack.keys)):
            raise ShapeError(
                f"There is no cell {query}, {key} in a pattern of {len(stack.queries)} x "
                f"{len(stack.keys)}.",
                "Choose one inside of it.",
            )
        if not bool(stack.attended(place.layer, place.head, [query], [key])[0, 0]):
            return {"weight": None}
        at = (place.layer, place.head, [query], [key])
        return {"weight": float(found.weights(place.kind, *at, stack=place.stack)[0, 0])}

    def edges(self, asked: EffectHead, going: Going) -> dict[str, Any]:
        """List the weights that do most: what they do, their queries and their keys."""
        found, place = self._place(asked)
        values, queries, keys = largest_effects(found, place, count=EDGES, going=going)
        return {"weights": values, "queries": queries, "keys": keys}

    def sums(
        self, asked: EffectHead, side: str, start: int, stop: int, going: Going
    ) -> NDArray[np.float32]:
        """Add up what weights do over a span."""
        found, place = self._place(asked)
        return sums_of_effects(found, place, side, range(start, stop), going)

    def _place(self, asked: EffectHead) -> tuple[Effects, HeadPlace]:
        found, head = self._find(asked.head.token, asked.effect), asked.head
        if asked.kind not in get_args(WeightKind):
            raise ShapeError(
                f"There is no kind of weights {asked.kind!r:.30}.",
                f"Choose one of {', '.join(get_args(WeightKind))}.",
            )
        found.trace.stacks[head.stack].record_with(head.layer, head.head)
        return found, HeadPlace(cast("WeightKind", asked.kind), head.layer, head.head, head.stack)


def largest_of(
    found: Effects, place: HeadPlace, progress: Going | None = None
) -> tuple[NDArray[np.float32], float]:
    """Return the whole pattern as one tile, and how far from 0 it goes; 1 where all of it is 0."""
    stack = found.trace.stacks[place.stack]
    last = levels(len(stack.queries), len(stack.keys)) - 1
    whole = effect_tile(found, place, Address(last, 0, 0), "max", progress)
    known = np.abs(whole[np.isfinite(whole)])
    return whole, float(known.max()) if known.size and known.max() > 0 else 1.0
