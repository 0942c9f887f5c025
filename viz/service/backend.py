"""What runs models for the pages: this process, or a Ray cluster."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Protocol, TypeVar

from viz.capture import Check
from viz.effects import LogitLens, Target
from viz.effects.found_effects import FoundEffects
from viz.errors import ConfigError
from viz.models import Model
from viz.service.background_statistics import Place
from viz.service.browser_sessions import Visitors
from viz.service.file_store import FileStore
from viz.service.run_result import Analysis, Request
from viz.service.run_service import Workbench
from viz.service.tile_sources import TileBackend

Progress = Callable[[str, float], None]
Answer = TypeVar("Answer")

# Names it: `local`, or the address of a Ray cluster.
VARIABLE = "LOUPE_BACKEND"


class RunDrawing(Protocol):
    """The heads of a run that are still being drawn; each part as of `Drawing`."""

    @property
    def done(self) -> int:
        """How many layers are surveyed."""

    @property
    def layers(self) -> int:
        """How many there are."""

    @property
    def share(self) -> float:
        """The share of the work that is done."""

    @property
    def is_done(self) -> bool:
        """Whether every head is surveyed."""

    @property
    def is_going(self) -> bool:
        """Whether it goes on beside the page."""

    @property
    def has_failed(self) -> bool:
        """Whether it stopped by a fault of ours."""

    def look(self, first: Place | None) -> None:
        """Let it go on."""

    def rest(self) -> None:
        """Stop it."""


class Backend(TileBackend, Protocol):
    """Runs requests and keeps what came of them; each part as of `Workbench`."""

    visitors: Visitors
    media: FileStore

    def connect(self) -> None:
        """Connect to what runs models.

        Raises:
            LoupeError: it does not answer.
        """

    def watch(self, still_wanted: Callable[[], None]) -> None:
        """Be told how to see whether a page still wants what it asked for: called while it waits, it raises where not."""

    def devices(self) -> list[str]:
        """Name what models may be asked to run on, the usual first."""

    def before(self, owner: str, request: Request | None = None) -> int:
        """Return how many runs would be before an owner's next one."""

    def turn(
        self, owner: str, progress: Progress, request: Request | None = None
    ) -> AbstractContextManager[None]:
        """Wait for a turn at running models here; where they run elsewhere, there is none to wait for."""

    def result(self, owner: str, request: Request) -> Analysis | None:
        """Return a finished result."""

    def so_far(self, owner: str, request: Request) -> Analysis | None:
        """Return what there is of a result."""

    def captured(self, owner: str, request: Request) -> Analysis | None:
        """Return a run, whether or not its heads are surveyed."""

    def drawing(self, owner: str, request: Request) -> RunDrawing | None:
        """Return what draws the heads of a run."""

    def analyse(
        self,
        owner: str,
        request: Request,
        progress: Progress,
        first: Place | None = None,
        patience: float = math.inf,
    ) -> Analysis:
        """Load, tokenise, run and draw."""

    def capture(self, owner: str, request: Request, progress: Progress) -> Analysis:
        """Run without surveying heads."""

    def check(self, request: Request, progress: Progress) -> Check:
        """Compare weights with the model's own."""

    def effects(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> FoundEffects:
        """Find out what a prediction rests on."""

    def every_head(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> FoundEffects:
        """Knock out each head."""

    def known_effects(self, owner: str, request: Request, target: Target) -> FoundEffects | None:
        """Return effects that are kept."""

    def effects_name(self, owner: str, request: Request, target: Target) -> str:
        """Name effects for a browser."""

    def logit_lens(self, owner: str, request: Request, progress: Progress) -> LogitLens:
        """Find out what would be predicted after each layer."""

    def known_logit_lens(self, owner: str, request: Request) -> LogitLens | None:
        """Return that if it is kept."""

    def of_loaded(
        self, request: Request, question: Callable[..., Answer], *args: Any
    ) -> Answer | None:
        """Call a function of a module with a request's model; None if it is not loaded."""

    def of_model(
        self, request: Request, progress: Progress, question: Callable[..., Answer], *args: Any
    ) -> Answer:
        """Call a function of a module with a request's model, loaded for that."""

    def model(self, request: Request, progress: Progress) -> Model:
        """Return a request's model, loaded in this process."""


@cache
def shared_workbench() -> Backend:
    """Return the one of this process, for its pages and its routes.

    Raises:
        ConfigError: the environment names none.
    """
    return _named(os.environ.get(VARIABLE, "").strip() or "local")


def _named(name: str) -> Backend:
    if name == "local":
        return Workbench()
    if name == "ray" or name.startswith("ray://") or ":" in name:
        from viz.service.ray.ray_workbench import RayWorkbench
        from viz.service.ray.serve_connection import ServeConnection

        return RayWorkbench(ServeConnection(None if name == "ray" else name))
    raise ConfigError(
        f"{VARIABLE} is {name!r:.80}; local, ray or an address such as ray://host:10001 is expected.",
        "Set one of them, or leave it out.",
    )
