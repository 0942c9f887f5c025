"""A workbench whose models, traces and effects are in replicas of a Ray Serve deployment."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from viz.capture import Check
from viz.effects import LogitLens, Target
from viz.errors import GoneError, LoupeError
from viz.models import Model
from viz.models.folders import cache_folder
from viz.service.background_statistics import Place
from viz.service.browser_sessions import Visitors
from viz.service.effect_runs import MOST_NAMES, effect_name
from viz.service.file_store import FileStore
from viz.service.loaded_models import LoadedModels
from viz.service.lru_store import BoundedStore
from viz.service.ray import replica_answers as answers
from viz.service.ray.cluster import ReplicaConnection
from viz.service.ray.distant_drawing import DistantDrawing
from viz.service.ray.distant_effects import DistantEffects
from viz.service.ray.distant_layer import DistantLayer
from viz.service.ray.distant_tiles import DistantEffectTiles, DistantTiles
from viz.service.ray.held_parts import HeldParts
from viz.service.ray.references import HeldResult
from viz.service.ray.replica_answers import Asked
from viz.service.result_ids import ResultIds
from viz.service.run_request import check_texts, model_key
from viz.service.run_result import Analysis, Request

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
Answer = TypeVar("Answer")

# What this process keeps: small pictures and numbers of runs, and some megabytes for each lens and for effects.
RUN_BYTES = 500_000_000
MOST_LENSES = 50
MOST_EFFECTS = 200

# Tiles that browsers are waiting for at a time: they are computed elsewhere, and only waited for here.
TILE_THREADS = 32

# Whether a replica still holds something is asked once in so many seconds; a page asks several times for each click.
KNOWN_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Run:
    """A run that a replica holds.

    Attributes:
        analysis: what pages see of it.
        held: where it is.
        known: when it was last known to be there.
    """

    analysis: Analysis
    held: HeldResult
    known: float = field(default_factory=time.monotonic)


class RayWorkbench:
    """Answers as `Workbench` does; what it returns are stand-ins that ask where the numbers are.

    Args:
        connection: to the replicas.
        media: where pictures and sounds are kept here; in the cache by default.
    """

    def __init__(self, connection: ReplicaConnection, media: FileStore | None = None) -> None:
        self.visitors = Visitors()
        self.media = media or FileStore(cache_folder() / "media", "picture or sound")
        self.tiles = DistantTiles(self)
        self.effect_tiles = DistantEffectTiles(self)
        self.tile_threads = TILE_THREADS
        self._connection = connection
        self._cluster = HeldParts(connection).cluster
        self._ids = ResultIds()
        self._devices: list[str] | None = None
        self._models = LoadedModels()
        self._runs: BoundedStore[_Run] = BoundedStore(
            RUN_BYTES, lambda run: run.analysis.memory_bytes, owner=lambda key: key[0]
        )
        self._tokens: BoundedStore[HeldResult] = BoundedStore(MOST_NAMES, lambda _: 1)
        self._effects: BoundedStore[tuple[DistantEffects, float]] = _few(MOST_EFFECTS)
        self._lenses: BoundedStore[LogitLens] = _few(MOST_LENSES)
        # Which replica served an owner's model last: what is compared lies together then.
        self._last: BoundedStore[str] = _few(MOST_NAMES)

    def connect(self) -> None:
        """Connect to the cluster now, and not when somebody first asks.

        Raises:
            LoupeError: it does not answer, is of another version, or has no room for a replica.
        """
        self._connection.connect()

    def watch(self, still_wanted: Callable[[], None]) -> None:
        """Be told how to see whether a page still wants what it asked for; called while it waits, it raises where not."""
        self._cluster.still_wanted = still_wanted

    # Runs.

    def analyse(
        self,
        owner: str,
        request: Request,
        progress: Progress,
        first: Place | None = None,
        patience: float = math.inf,
    ) -> Analysis:
        """Load, tokenise, run and draw in a replica; see `Workbench.analyse`."""
        check_texts(request)
        question = (answers.analyse, self._asked(owner, request), first, patience)
        return self._run(owner, request, *question, tell=progress)

    def capture(self, owner: str, request: Request, progress: Progress) -> Analysis:
        """Run without surveying heads; see `Workbench.capture`."""
        kept = self.captured(owner, request)
        if kept is not None:
            return kept
        check_texts(request)
        question = (answers.capture, self._asked(owner, request))
        return self._run(owner, request, *question, tell=progress)

    def result(self, owner: str, request: Request) -> Analysis | None:
        """Return a result all of whose heads are surveyed, if it is still kept."""
        kept = self.captured(owner, request)
        if kept is None:
            return None
        layers = sum(stack.layers for stack in kept.trace.stacks.values())
        return kept if kept.surveyed_layers == layers else None

    def so_far(self, owner: str, request: Request) -> Analysis | None:
        """Return a result, or of one whose heads are still being drawn what there is of it."""
        kept = self.captured(owner, request)
        return None if kept is None or kept.surveyed_layers == 0 else kept

    def captured(self, owner: str, request: Request) -> Analysis | None:
        """Return a run, if its replica still holds it, with what is surveyed by now."""
        run = self._runs.get((owner, request))
        if run is None:
            return None
        if time.monotonic() - run.known < KNOWN_SECONDS:
            return run.analysis
        asked = self._asked(owner, request, bring=False)
        news = self._news_of(run.held, answers.news_of_run, asked, run.analysis.surveyed_layers)
        if news is False:
            self._runs.drop((owner, request))
            return None
        if isinstance(news, Analysis):
            run.analysis = replace(news, token=run.analysis.token)
            self._runs.put((owner, request), run)  # it takes more now
        run.known = time.monotonic()
        return run.analysis

    def drawing(self, owner: str, request: Request) -> DistantDrawing | None:
        """Return what draws the heads of a run in its replica, unless all are drawn."""
        run = self._runs.get((owner, request))
        if run is None or self.result(owner, request) is not None:
            return None
        asked = self._asked(owner, request, bring=False)
        state = self._news_of(run.held, answers.drawing, asked)
        if not state:
            # The last layers came in since the run was looked at.
            run.known = -math.inf
            return None
        return DistantDrawing(
            state,
            lambda first: self.ask_holder(run.held, answers.look, asked, first),
            lambda: self._news_of(run.held, answers.rest, asked),
        )

    def devices(self) -> list[str]:
        """Name what models may be asked to run on where replicas are; asked once, as all are alike."""
        if self._devices is None:
            self._devices = self._news(lambda: self._cluster.ask(answers.devices)) or None
        return self._devices or ["auto"]

    def before(self, owner: str, request: Request | None = None) -> int:
        """Return how many runs would be before an owner's next one, where it ran last."""
        replica = self._last.get(owner)
        if replica is None:
            return 0
        held = HeldResult(replica, "run", "")
        return int(self._news_of(held, answers.before, owner, self._user(owner), request) or 0)

    @contextmanager
    def turn(
        self, owner: str, progress: Progress, request: Request | None = None
    ) -> Iterator[None]:
        """Go on at once: who runs models waits for a turn in the replica."""
        yield

    def check(self, request: Request, progress: Progress) -> Check:
        """Compare weights with the model's own; see `Workbench.check`."""
        asked = self._asked("", request)
        found = self._cluster.ask(answers.check, asked, model=_model(request), tell=progress)
        return cast("Check", found)

    def _run(self, owner: str, request: Request, *question: Any, tell: Progress) -> Analysis:
        before = self._runs.get((owner, request))
        replica = self._last.get((owner, model_key(request))) or ""
        there = before.held.replica if before is not None else replica
        arrived: Analysis = self._cluster.ask(
            *question, replica=there, model=_model(request), tell=tell
        )
        held = _held_of(arrived)
        token = self._ids.issue(owner)
        if before is not None and before.held == held:
            token = before.analysis.token
        analysis = replace(arrived, token=token)
        self._runs.put((owner, request), _Run(analysis, held))
        self._tokens.put(token, held)
        for name in ((owner, model_key(request)), owner):
            self._last.put(name, held.replica)
        return analysis

    # Tiles.

    def permit(self, token: str, browser: str) -> None:
        """Make sure that a result belongs to a page that a browser has open; see `Workbench.permit`."""
        self._ids.require_ours(token, self.visitors.owners(browser))

    def held_run(self, token: str) -> HeldResult:
        """Say which replica holds a run, and what it is called there.

        Raises:
            GoneError: nobody knows any more.
        """
        held = self._tokens.get(token)
        if held is None:
            raise GoneError(
                "This result was let go to make room for others.", "Press Run to see it again."
            )
        return held

    def ask_holder(
        self,
        held: HeldResult,
        question: Callable[..., Any],
        *args: Any,
        going: Callable[[], None] | None = None,
    ) -> Any:
        """Ask the replica that holds something; see `Cluster.ask`."""
        return self._cluster.ask(question, *args, holder=held.replica, still_wanted=going)

    # Effects.

    def effects(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> DistantEffects:
        """Find out in a replica what a prediction rests on; see `Workbench.effects`."""
        return self._found(answers.effects, owner, request, target, progress)

    def every_head(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> DistantEffects:
        """Knock out each head there; see `Workbench.every_head`."""
        return self._found(answers.every_head, owner, request, target, progress)

    def known_effects(self, owner: str, request: Request, target: Target) -> DistantEffects | None:
        """Return effects, if their replica still holds them."""
        key = (owner, request, target)
        found, known = self._effects.get(key) or (None, 0.0)
        if found is None or time.monotonic() - known < KNOWN_SECONDS:
            return found
        asked = self._asked(owner, request, bring=False)
        held = found.reference.held
        if self._news_of(held, answers.has_effects, asked, target) is False:
            self._effects.drop(key)
            return None
        self._effects.put(key, (found, time.monotonic()))
        return found

    def effects_name(self, owner: str, request: Request, target: Target) -> str:
        """Name effects for a browser that asks for parts of them; a replica names them alike."""
        return effect_name(owner, request, target)

    def ask_effects(
        self,
        effects: DistantEffects,
        question: Callable[..., Answer],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Answer:
        """Call a function with effects where they are; `progress` among its options is called here."""
        told = options.pop("progress", None)
        asked = self._asked(effects.owner, effects.request)
        what = (asked, effects, effects.reference, question, args, options, told is not None)
        holder = effects.reference.held.replica
        found = self._cluster.ask(answers.of_effects, *what, holder=holder, tell=told)
        return cast("Answer", found)

    def logit_lens(self, owner: str, request: Request, progress: Progress) -> LogitLens:
        """Find out in a replica what would be predicted after each layer; see `Workbench.logit_lens`."""
        asked = self._asked(owner, request)
        parts = self._ask_for(owner, request, answers.logit_lens, asked, tell=progress)
        found = LogitLens(trace=self.capture(owner, request, progress).trace, **parts)
        self._lenses.put((owner, request), found)
        return found

    def known_logit_lens(self, owner: str, request: Request) -> LogitLens | None:
        """Return what was found out so before; it is kept here."""
        return self._lenses.get((owner, request))

    def _found(
        self,
        question: Callable[..., Any],
        owner: str,
        request: Request,
        target: Target,
        progress: Progress,
    ) -> DistantEffects:
        asked = self._asked(owner, request)
        reference, sent = self._ask_for(owner, request, question, asked, target, tell=progress)
        found = DistantEffects(reference, self, owner, request, **sent)
        self._effects.put((owner, request, target), (found, time.monotonic()))
        return found

    # Models.

    def of_loaded(
        self, request: Request, question: Callable[..., Answer], *args: Any
    ) -> Answer | None:
        """Call a function with a model that a replica has loaded; None where the one that is asked has not."""
        asked = (answers.of_loaded, request, question, args)
        found = self._news(lambda: self._cluster.ask(*asked, model=_model(request)))
        return cast("Answer | None", found or None)

    def of_model(
        self, request: Request, progress: Progress, question: Callable[..., Answer], *args: Any
    ) -> Answer:
        """Call a function with a model in a replica, loaded for that; see `Workbench.of_model`."""
        found = self._cluster.ask(
            answers.of_model, request, question, args, model=_model(request), tell=progress
        )
        return cast("Answer", found)

    def model(self, request: Request, progress: Progress) -> Model:
        """Load a model into this process, for what is done here, such as a survey beside the page."""
        return self._models.model(request, progress)

    # Who asks, and whom.

    def _asked(self, owner: str, request: Request, *, bring: bool = True) -> Asked:
        media = None
        if bring and request.media:
            path = self.media.path(request.media)
            media = path.read_bytes(), path.suffix
        return Asked(owner, self._user(owner), request, media)

    def _user(self, owner: str) -> str:
        """Name a user in 43 letters, as browsers are named; the cookie itself stays here."""
        return hashlib.sha256(self.visitors.user(owner).encode()).hexdigest()[:43]

    def _ask_for(self, owner: str, request: Request, *question: Any, tell: Progress) -> Any:
        """Ask where an owner's run is, which is made if it is nowhere: what is found stays beside it."""
        self.capture(owner, request, tell)
        run = self._runs.get((owner, request))
        holder = "" if run is None else run.held.replica
        return self._cluster.ask(*question, holder=holder, model=_model(request), tell=tell)

    def _news_of(self, held: HeldResult, question: Callable[..., Any], *args: Any) -> Any:
        """Ask a replica for something that a page can do without."""
        return self._news(lambda: self.ask_holder(held, question, *args))

    def _news(self, ask: Callable[[], Any]) -> Any:
        """Ask for something that a page can do without: False where it is gone, None where nobody answers."""
        try:
            return ask()
        except GoneError:
            return False
        except LoupeError as error:
            log.warning("Nobody answers what a page would like to know: %s", error)
            return None


def _held_of(analysis: Analysis) -> HeldResult:
    """Say where a run is: its layers know."""
    stack = next(iter(analysis.trace.stacks.values()))
    layer = stack.records[0]
    assert isinstance(layer, DistantLayer), "layers stay in their replica"
    return layer.reference.held


def _model(request: Request) -> str:
    """Name a model for Ray, which asks a replica that has it."""
    return json.dumps(model_key(request))


def _few(limit: int) -> BoundedStore[Any]:
    """Return a store of so many items."""

    def owner(key: Any) -> Hashable:
        return key[0] if isinstance(key, tuple) else None

    return BoundedStore(limit, lambda _: 1, owner=owner)
