"""Runs requests: models loaded once, results kept for their owners within a budget."""

from __future__ import annotations

import math
import secrets
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from viz.capture import Check
from viz.effects import Effects, LogitLens, Target
from viz.errors import GoneError
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.device import offered_devices
from viz.models.folders import cache_folder
from viz.service.background_statistics import Drawing
from viz.service.browser_sessions import Visitors
from viz.service.effect_runs import EffectRuns, effect_name
from viz.service.effect_tile_data import EffectTiles
from viz.service.file_store import FileStore
from viz.service.limits import Limits, limits_of
from viz.service.loaded_models import LoadedModels
from viz.service.lru_store import BoundedStore
from viz.service.memory_errors import out_of_memory_in_words
from viz.service.pass_queue import PassQueue
from viz.service.request_pass import capture_request, check_request, prepare_request
from viz.service.result_ids import ResultIds
from viz.service.run_request import check_texts, model_key
from viz.service.run_result import Analysis, Request
from viz.service.tile_data import Tiles

Progress = Callable[[str, float], None]
Answer = TypeVar("Answer")

# Tiles that are computed at a time; PyTorch itself uses every core for each.
TILE_THREADS = 2

# What runs may take whose heads are not all surveyed, as one part in so many of what all results may: such as go
# on where they were cancelled, and the sides of comparisons.
BEGUN_PART = 2


class Begun:
    """A captured run whose heads are being surveyed, or are not asked for.

    Args:
        analysis: the run, with no head surveyed.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.drawing = Drawing(analysis.trace.stacks)
        self._so_far = analysis

    @property
    def analysis(self) -> Analysis:
        """The run with what is surveyed of it so far; the same one as long as nothing is added."""
        if self._so_far.surveyed_layers != self.drawing.done:
            self._so_far = replace(self._so_far, surveys=self.drawing.surveys())
        return self._so_far


class Workbench:
    """Shared by all sessions of one process; every result belongs to the owner who asked.

    Args:
        media: where pictures and sounds are kept; in the cache by default.
        limits: how much users may ask of it; those of the environment by default.
    """

    def __init__(self, media: FileStore | None = None, limits: Limits | None = None) -> None:
        self.visitors = Visitors()
        self.limits = limits_of() if limits is None else limits
        self.queue = PassQueue(
            self.limits.passes,
            waiting_each=self.limits.waiting_each,
            waiting=self.limits.waiting,
        )
        self.media = media or FileStore(cache_folder() / "media", "picture or sound")
        self._models = LoadedModels()
        kept, each = self.limits.kept_bytes, self.limits.kept_each_bytes
        self._results: BoundedStore[Analysis] = BoundedStore(
            kept, lambda analysis: analysis.memory_bytes, owner=self._user_of, each=each
        )
        self._begun: BoundedStore[Begun] = BoundedStore(
            kept // BEGUN_PART,
            lambda begun: begun.analysis.memory_bytes,
            owner=self._user_of,
            each=each,
        )
        self._ids = ResultIds()
        self._shown: weakref.WeakValueDictionary[str, Analysis] = weakref.WeakValueDictionary()
        self._effects = EffectRuns(self.limits, self._user_of)
        self.tile_threads = TILE_THREADS
        self.tiles = Tiles(self.shown)
        self.effect_tiles = EffectTiles(self.shown_effects)

    def connect(self) -> None:
        """Be ready: this process is."""

    def watch(self, still_wanted: Callable[[], None]) -> None:
        """Be told how to see whether a page still wants what it asked for; here its progress tells."""

    def devices(self) -> list[str]:
        """Name what models may be asked to run on, the usual first."""
        return offered_devices()

    def before(self, owner: str, request: Request | None = None) -> int:
        """Return how many runs would be before an owner's next one; 0 where it would begin at once.

        Args:
            owner: of the page.
            request: that would be run; None where nobody knows.
        """
        needs = None if request is None else model_key(request)
        return self.queue.before(self.visitors.user(owner), needs)

    @contextmanager
    def turn(
        self, owner: str, progress: Progress, request: Request | None = None
    ) -> Iterator[None]:
        """Wait for a turn at running models, and have it until the end of the block; see `PassQueue.turn`.

        Args:
            owner: of what is run.
            progress: called while it waits; may raise to give up.
            request: what is run; its model is one turn's at a time.

        Raises:
            BusyError: too many wait already.
            BudgetError: memory ran out in the block.
        """
        needs = None if request is None else model_key(request)
        with self.queue.turn(self.visitors.user(owner), progress, needs), out_of_memory_in_words():
            yield

    def _user_of(self, key: tuple[str, *tuple[object, ...]]) -> str:
        """Name whose budget what is kept under a key counts for."""
        return self.visitors.user(key[0])

    def result(self, owner: str, request: Request) -> Analysis | None:
        """Return an owner's finished result, if it is still kept."""
        self._finish(owner, request)
        return self._results.get((owner, request))

    def so_far(self, owner: str, request: Request) -> Analysis | None:
        """Return an owner's result, or of one whose heads are still being drawn what there is of it."""
        begun = self._begun.get((owner, request))
        if begun is None or not begun.drawing.done:
            return self.result(owner, request)
        self._shown[begun.analysis.token] = begun.analysis
        return self.result(owner, request) or begun.analysis

    def drawing(self, owner: str, request: Request) -> Drawing | None:
        """Return what draws the heads of an owner's run, unless all are drawn."""
        begun = self._begun.get((owner, request))
        return None if begun is None or begun.drawing.is_done else begun.drawing

    def show(self, analysis: Analysis) -> None:
        """Let parts of a run be asked for by its token, for as long as it is kept."""
        self._shown[analysis.token] = analysis

    def shown(self, token: str) -> Analysis:
        """Return the result that a browser asks for parts of.

        Who asks is for `permit` to know.

        Raises:
            GoneError: the result was let go.
        """
        analysis = self._shown.get(token)
        if analysis is None:
            raise GoneError(
                "This result was let go to make room for others.", "Press Run to see it again."
            )
        return analysis

    def shown_effects(self, token: str, name: str) -> Effects:
        """Return effects that a browser asks for parts of, by the token of their result and their own name.

        Raises:
            GoneError: the result, or its effects, were let go.
        """
        return self._effects.named(name, self.shown(token).request)

    def effects_named(self, name: str) -> Effects:
        """Return effects by their name, for somebody who may see any.

        Raises:
            GoneError: they were let go.
        """
        return self._effects.named(name)

    def permit(self, token: str, browser: str) -> None:
        """Make sure that a result belongs to a page that a browser has open.

        Args:
            token: of the result.
            browser: the value of its cookie.

        Raises:
            InputError: it does not, or there never was such a result.
        """
        self._ids.require_ours(token, self.visitors.owners(browser))

    def analyse(
        self,
        owner: str,
        request: Request,
        progress: Progress,
        first: tuple[str, int] | None = None,
        patience: float = math.inf,
    ) -> Analysis:
        """Load, tokenise, run and draw, telling progress by phase.

        Args:
            owner: an unguessable name of the session; others cannot get at its results.
            request: what to do.
            progress: called with a phase and the share done; may raise to cancel.
            first: stack and layer of the head that somebody looks at, to be drawn before the others.
            patience: seconds of drawing after which what there is is returned; `drawing` does the rest.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        kept = self.result(owner, request)
        if kept is not None:
            return kept
        self._load_for(owner, request, progress)
        with self.turn(owner, progress, request):
            begun = self._begin(owner, request, progress)
            begun.drawing.draw(progress, first, patience)
        self._shown[begun.analysis.token] = begun.analysis
        return self.result(owner, request) or begun.analysis

    def _finish(self, owner: str, request: Request) -> None:
        """Keep a run all of whose heads are drawn among the results."""
        begun = self._begun.get((owner, request))
        if begun is not None and begun.drawing.is_done:
            self._shown[begun.analysis.token] = begun.analysis
            self._results.put((owner, request), begun.analysis)
            self._begun.drop((owner, request))

    def captured(self, owner: str, request: Request) -> Analysis | None:
        """Return an owner's run, if it is still kept, whether or not its heads are surveyed."""
        kept, begun = self.result(owner, request), self._begun.get((owner, request))
        return begun.analysis if kept is None and begun is not None else kept

    def capture(self, owner: str, request: Request, progress: Progress) -> Analysis:
        """Run what somebody asks for, without surveying its heads; see `analyse`."""
        kept = self.result(owner, request)
        if kept is not None:
            return kept
        self._load_for(owner, request, progress)
        with self.turn(owner, progress, request):
            return self._begin(owner, request, progress).analysis

    def _load_for(self, owner: str, request: Request, progress: Progress) -> None:
        """Load the model of a run that is not begun: before its turn, as it may have to be fetched from afar."""
        if self._begun.get((owner, request)) is None:
            check_texts(request)
            self.model(request, progress)

    def _begin(self, owner: str, request: Request, progress: Progress) -> Begun:
        """Return a run that was begun before, or begin it."""
        begun = self._begun.get((owner, request))
        if begun is None:
            begun = Begun(self._captured(owner, request, progress))
            self._begun.put((owner, request), begun)
        return begun

    def _captured(self, owner: str, request: Request, progress: Progress) -> Analysis:
        """Run a request's model; its heads are surveyed afterwards."""
        model = self.model(request, progress)
        token = self._ids.issue(owner)
        return capture_request(model, request, self.media, token, progress, most=self.limits.tokens)

    def check(self, request: Request, progress: Progress) -> Check:
        """Compare a request's weights with the model's own eager attention.

        Raises:
            CaptureError: the text is too long for weights to be held, or there is no eager way.
        """
        self.model(request, progress)
        # Nobody said whose it is, so that it has a place of its own.
        with self.turn(secrets.token_hex(), progress, request):
            return check_request(self.model(request, progress), request, self.media, progress)

    def effects(self, owner: str, request: Request, target: Target, progress: Progress) -> Effects:
        """Find out what a prediction of a request rests on; see `viz.effects.effects`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        known = self._effects.kept(owner, request, target)
        if known is not None:
            return known
        self.model(request, progress)  # before the turn, as it may have to be fetched from afar
        prepare = self._inputs(request, progress)
        with self.turn(owner, progress, request):
            return self._effects.find(owner, request, target, prepare, progress)

    def every_head(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> Effects:
        """Knock out each head of what was found out before; see `viz.effects.Effects.with_every_head`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        found = self.effects(owner, request, target, progress)
        with self.turn(owner, progress, request):
            return self._effects.with_every_head(owner, request, target, found, progress)

    def logit_lens(self, owner: str, request: Request, progress: Progress) -> LogitLens:
        """Find out what a request would predict after each layer; see `viz.effects.logit_lens`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        known = self._effects.kept_lens(owner, request)
        if known is not None:
            return known
        self.model(request, progress)
        prepare = self._inputs(request, progress)
        with self.turn(owner, progress, request):
            return self._effects.lens(owner, request, prepare, progress)

    def known_logit_lens(self, owner: str, request: Request) -> LogitLens | None:
        """Return what a request would predict after each layer if that was found out before and is still kept."""
        return self._effects.kept_lens(owner, request)

    def _inputs(self, request: Request, progress: Progress) -> Callable[[], tuple[Model, Prepared]]:
        """Return what loads a request's model and prepares its inputs, once they are needed."""

        def prepared() -> tuple[Model, Prepared]:
            model = self.model(request, progress)
            return model, prepare_request(model, request, self.media, progress)[0]

        return prepared

    def effects_name(self, owner: str, request: Request, target: Target) -> str:
        """Name effects for a browser that asks for parts of them."""
        return effect_name(owner, request, target)

    def known_effects(self, owner: str, request: Request, target: Target) -> Effects | None:
        """Return what a prediction rests on if it was found out before and is still kept."""
        return self._effects.kept(owner, request, target)

    def loaded(self, request: Request) -> Model | None:
        """Return a request's model if it is loaded already."""
        return self._models.loaded(request)

    def loaded_by(self, key: tuple[str | None, ...]) -> Model | None:
        """Return a model by its key, as `model_key` makes it, if it is loaded already."""
        return self._models.loaded_by(key)

    def of_loaded(
        self, request: Request, question: Callable[..., Answer], *args: Any
    ) -> Answer | None:
        """Call a function of a module with a request's model and more; None if it is not loaded."""
        model = self.loaded(request)
        return None if model is None else question(model, *args)

    def of_model(
        self, request: Request, progress: Progress, question: Callable[..., Answer], *args: Any
    ) -> Answer:
        """Call a function of a module with a request's model, loaded for that, and more.

        Raises:
            LoupeError: the model cannot be loaded, or as the function does.
        """
        return question(self.model(request, progress), *args)

    def model(self, request: Request, progress: Progress) -> Model:
        """Return a request's model, loading it once however many ask at the same time."""
        return self._models.model(request, progress)
