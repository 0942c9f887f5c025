"""Tiles that browsers fetch, computed in the replica that holds the pattern."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from viz.patterns import Address
from viz.patterns.tile_pyramid import Pooling
from viz.service.effect_tile_data import EffectHead
from viz.service.ray import replica_answers
from viz.service.ray.references import HeldResult
from viz.service.tile_data import Head

Going = Callable[[], None]


class TileQuestions(Protocol):
    """Asks a replica about a result that browsers know by a token of this process."""

    def held_run(self, token: str) -> HeldResult:
        """Say which replica holds the run, and what it is called there."""

    def ask_holder(
        self, held: HeldResult, question: Callable[..., Any], *args: Any, going: Going | None = None
    ) -> Any:
        """Ask it."""


class DistantTiles:
    """Answers as `viz.service.tile_data.Tiles` does.

    Args:
        questions: asks where the run is.
    """

    def __init__(self, questions: TileQuestions) -> None:
        self._questions = questions

    def tile(
        self, head: Head, pooling: Pooling, address: Address, going: Going
    ) -> NDArray[np.float16]:
        """Return one tile of a head's pattern."""
        found = self._ask("tile", head, pooling, address, going=going)
        return cast("NDArray[np.float16]", found)

    def edges(self, head: Head, *, off_sink: bool, going: Going) -> dict[str, Any]:
        """List the strongest edges of a head."""
        found = self._ask("edges", head, off_sink=off_sink, going=going)
        return cast("dict[str, Any]", found)

    def weight(self, head: Head, query: int, key: int) -> dict[str, float | None]:
        """Return one weight."""
        return cast("dict[str, float | None]", self._ask("weight", head, query, key))

    def sums(
        self, head: Head, side: str, start: int, stop: int, going: Going
    ) -> NDArray[np.float32]:
        """Sum a head's weights over a span."""
        found = self._ask("sums", head, side, start, stop, going=going)
        return cast("NDArray[np.float32]", found)

    def units(self, token: str, stack: str) -> dict[str, Any]:
        """Lay out the texts that both axes stand for."""
        held = self._questions.held_run(token)
        found = self._questions.ask_holder(held, replica_answers.units, held.name, stack)
        return cast("dict[str, Any]", found)

    def _ask(
        self, method: str, head: Head, *args: Any, going: Going | None = None, **options: Any
    ) -> Any:
        held = self._questions.held_run(head.token)
        there = replace(head, token=held.name)
        what = ("tiles", method, there, args, options, going is not None)
        return self._questions.ask_holder(held, replica_answers.tiles, *what, going=going)


class DistantEffectTiles:
    """Answers as `viz.service.effect_tile_data.EffectTiles` does; arguments as of `DistantTiles`."""

    def __init__(self, questions: TileQuestions) -> None:
        self._questions = questions

    def tile(
        self, asked: EffectHead, pooling: Pooling, address: Address, going: Going
    ) -> NDArray[np.float16]:
        """Return one tile, as shares of the head's largest effect."""
        found = self._ask("tile", asked, pooling, address, going=going)
        return cast("NDArray[np.float16]", found)

    def weight(self, asked: EffectHead, query: int, key: int) -> dict[str, float | None]:
        """Return what one weight does."""
        return cast("dict[str, float | None]", self._ask("weight", asked, query, key))

    def edges(self, asked: EffectHead, going: Going) -> dict[str, Any]:
        """List the weights that do most."""
        return cast("dict[str, Any]", self._ask("edges", asked, going=going))

    def sums(
        self, asked: EffectHead, side: str, start: int, stop: int, going: Going
    ) -> NDArray[np.float32]:
        """Add up what weights do over a span."""
        found = self._ask("sums", asked, side, start, stop, going=going)
        return cast("NDArray[np.float32]", found)

    def _ask(self, method: str, asked: EffectHead, *args: Any, going: Going | None = None) -> Any:
        held = self._questions.held_run(asked.head.token)
        there = replace(asked, head=replace(asked.head, token=held.name))
        options: dict[str, Any] = {}
        what = ("effect_tiles", method, there, args, options, going is not None)
        return self._questions.ask_holder(held, replica_answers.tiles, *what, going=going)
