"""What the tile routes ask, wherever results are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viz.patterns import Address
from viz.patterns.tile_pyramid import Pooling
from viz.service.effect_tile_data import EffectHead
from viz.service.tile_data import Head

Going = Callable[[], None]


class TileSource(Protocol):
    """Parts of patterns; each method as of `viz.service.tile_data.Tiles`."""

    def tile(
        self, head: Head, pooling: Pooling, address: Address, going: Going
    ) -> NDArray[np.float16]:
        """Return one tile."""

    def edges(self, head: Head, *, off_sink: bool, going: Going) -> dict[str, Any]:
        """List the strongest edges."""

    def weight(self, head: Head, query: int, key: int) -> dict[str, float | None]:
        """Return one weight."""

    def sums(
        self, head: Head, side: str, start: int, stop: int, going: Going
    ) -> NDArray[np.float32]:
        """Sum weights over a span."""

    def units(self, token: str, stack: str) -> dict[str, Any]:
        """Lay out the texts of both axes."""


class EffectTileSource(Protocol):
    """The same of what weights do; each method as of `viz.service.effect_tile_data.EffectTiles`."""

    def tile(
        self, asked: EffectHead, pooling: Pooling, address: Address, going: Going
    ) -> NDArray[np.float16]:
        """Return one tile."""

    def weight(self, asked: EffectHead, query: int, key: int) -> dict[str, float | None]:
        """Return what one weight does."""

    def edges(self, asked: EffectHead, going: Going) -> dict[str, Any]:
        """List the weights that do most."""

    def sums(
        self, asked: EffectHead, side: str, start: int, stop: int, going: Going
    ) -> NDArray[np.float32]:
        """Sum what weights do over a span."""


class TileBackend(Protocol):
    """Knows results, and who may see them.

    Attributes:
        tile_threads: how many tiles are made, or waited for, at a time.
    """

    tile_threads: int

    @property
    def tiles(self) -> TileSource:
        """Answers for weights."""

    @property
    def effect_tiles(self) -> EffectTileSource:
        """Answers for what weights do."""

    def permit(self, token: str, browser: str) -> None:
        """Make sure that a browser may see a result; see `Workbench.permit`."""
