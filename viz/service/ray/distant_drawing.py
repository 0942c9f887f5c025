"""The drawing of a run's heads that goes on in a replica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viz.service.background_statistics import Drawing, Place


@dataclass(frozen=True, slots=True)
class DrawingState:
    """How far a drawing is; as of `Drawing`."""

    done: int
    layers: int
    share: float
    is_done: bool
    is_going: bool
    has_failed: bool


def state_of(drawing: Drawing) -> DrawingState:
    """Say how far a drawing is."""
    return DrawingState(
        drawing.done,
        drawing.layers,
        drawing.share,
        drawing.is_done,
        drawing.is_going,
        drawing.has_failed,
    )


class DistantDrawing:
    """Answers as `Drawing` does, with what the replica said last.

    Args:
        state: of now.
        look: lets it go on in the replica, and returns how far it is.
        rest: stops it there.
    """

    def __init__(
        self,
        state: DrawingState,
        look: Callable[[Place | None], DrawingState],
        rest: Callable[[], None],
    ) -> None:
        self._state = state
        self._look = look
        self._rest = rest

    @property
    def done(self) -> int:
        """How many layers are surveyed."""
        return self._state.done

    @property
    def layers(self) -> int:
        """How many layers there are, in all stacks."""
        return self._state.layers

    @property
    def share(self) -> float:
        """The share of the work that is done."""
        return self._state.share

    @property
    def is_done(self) -> bool:
        """Whether every head is surveyed."""
        return self._state.is_done

    @property
    def is_going(self) -> bool:
        """Whether it goes on beside the page."""
        return self._state.is_going

    @property
    def has_failed(self) -> bool:
        """Whether it stopped by a fault of ours; the replica's log has its details."""
        return self._state.has_failed

    def look(self, first: Place | None) -> None:
        """Let it go on; to be called again while somebody looks."""
        self._state = self._look(first)

    def rest(self) -> None:
        """Stop it; what is surveyed stays."""
        self._rest()
