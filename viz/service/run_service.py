"""Runs requests: models loaded once, results kept for their owners within a budget."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis import predictions
from viz.capture import Check, capture_prepared, check_prepared
from viz.capture.layers.heard_layer import heard
from viz.capture.load_and_wrap_model import load_model
from viz.capture.trace import Trace
from viz.effects import Effects, LogitLens, Target
from viz.effects.target import classes_of
from viz.errors import BudgetError, CaptureError, GoneError
from viz.inputs.default_target import write
from viz.inputs.input_checks import require_context
from viz.inputs.modalities import prepare_media
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.inputs.text import count_tokens
from viz.models import Model
from viz.models.folders import cache_folder
from viz.models.run_cost import require_room
from viz.service.background_statistics import Drawing
from viz.service.browser_sessions import Visitors
from viz.service.effect_runs import EffectRuns, effect_name
from viz.service.file_store import FileStore
from viz.service.lru_store import BoundedStore
from viz.service.result_ids import ResultIds
from viz.service.run_request import check_texts, model_key, require_given, second_text, source_of
from viz.service.run_result import Analysis, Request
from viz.service.uploaded_media import loudness, require_readable, seen_picture, sense_of

Progress = Callable[[str, float], None]

# Loaded models kept at a time; one more lets go of the one not used for longest.
KEPT_MODELS = 2

# Kinds of models whose output ranks the vocabulary.
PREDICTING = ("causal", "masked", "seq2seq")

# Eager attention of more tokens takes gigabytes.
MOST_CHECKED_TOKENS = 1_024

# Masks of a text at which every token's probability is kept.
MOST_MASKS = 8

# What all results together may take.
RESULT_BYTES = 2_000_000_000

# What runs may take whose heads are not all surveyed: such as go on where they were cancelled, and the
# sides of comparisons.
BEGUN_BYTES = 1_000_000_000


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
    """Shared by all sessions of one process; every result belongs to the owner who asked."""

    def __init__(self, media: FileStore | None = None) -> None:
        self.visitors = Visitors()
        self.media = media or FileStore(cache_folder() / "media", "picture or sound")
        self._models: BoundedStore[Model] = BoundedStore(KEPT_MODELS, lambda _: 1)
        self._results: BoundedStore[Analysis] = BoundedStore(
            RESULT_BYTES, lambda analysis: analysis.memory_bytes, owner=lambda key: key[0]
        )
        self._begun: BoundedStore[Begun] = BoundedStore(
            BEGUN_BYTES, lambda begun: begun.analysis.memory_bytes, owner=lambda key: key[0]
        )
        self._ids = ResultIds()
        self._shown: weakref.WeakValueDictionary[str, Analysis] = weakref.WeakValueDictionary()
        self._effects = EffectRuns()
        self._loading = threading.Lock()
        self._locks: dict[tuple[str | None, ...], threading.Lock] = {}

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
        return self._begin(owner, request, progress).analysis if kept is None else kept

    def _begin(self, owner: str, request: Request, progress: Progress) -> Begun:
        """Return a run that was begun before, or begin it."""
        begun = self._begun.get((owner, request))
        if begun is None:
            begun = Begun(self._captured(owner, request, progress))
            self._begun.put((owner, request), begun)
        return begun

    def _captured(self, owner: str, request: Request, progress: Progress) -> Analysis:
        """Run a request's model; its heads are surveyed afterwards."""
        check_texts(request)
        model = self.model(request, progress)
        require_given(model, request)
        progress("tokenise", 0.0)
        prepared, written = self._prepared(model, request, progress)
        cost = require_room(model, prepared.longest)
        start = time.perf_counter()
        trace = capture_prepared(model, prepared, progress)
        seconds = time.perf_counter() - start
        ranked = None
        if model.kind in PREDICTING:
            ranked = predictions(trace, whole=_compared(model, prepared, trace))
        classes = classes_of(trace, model)
        trace, loud = trace.without_output(), self._loudness(request)
        if loud is not None:
            # What fills a sound up to what the model always hears is no part of it.
            trace = replace(trace, stacks=heard(trace.stacks, loud[1]))
        return Analysis(
            request=request,
            token=self._ids.issue(owner),
            trace=trace,
            surveys={},
            predictions=ranked,
            estimate=cost,
            seconds=seconds,
            tokenizer=model.tokenizer,
            written=written,
            picture=_picture(model, prepared),
            loudness=loud,
            classes=classes,
        )

    def _prepared(
        self, model: Model, request: Request, progress: Progress
    ) -> tuple[Prepared, str | None]:
        """Turn a request into the model's inputs; an encoder-decoder without a target writes one."""
        pair, target = second_text(model, request)
        if not request.media:
            tokens = count_tokens(model, request.text, request.pair)
            require_context(model, tokens)
            require_room(model, tokens)

        def prepared(target: str | None) -> Prepared:
            if not request.media:
                return prepare(model, request.text, pair=pair, target=target)
            path, sense = self.media.path(request.media), sense_of(request.media)
            require_readable(path)
            text = request.text if "text" in model.reads and request.text.strip() else None
            return prepare_media(
                model,
                text,
                target=target,
                image=path if sense == "image" else None,
                sound=path if sense == "sound" else None,
            )

        first = prepared(target)
        if model.kind != "seq2seq" or target is not None:
            return first, None
        progress("write", 0.0)
        written = write(model, first)
        return (first, written) if not (written or "").strip() else (prepared(written), written)

    def _loudness(self, request: Request) -> tuple[NDArray[np.float32], float] | None:
        if not request.media or sense_of(request.media) != "sound":
            return None
        return loudness(self.media.path(request.media))

    def check(self, request: Request, progress: Progress) -> Check:
        """Compare a request's weights with the model's own eager attention.

        Raises:
            CaptureError: the text is too long for weights to be held, or there is no eager way.
        """
        model = self.model(request, progress)
        tokens = 0 if request.media else count_tokens(model, request.text, request.pair)
        if tokens > MOST_CHECKED_TOKENS:
            raise CaptureError(
                f"The text has {tokens:,} tokens; eager attention is run on at most "
                f"{MOST_CHECKED_TOKENS:,}, because it holds every weight.",
                "Check the model on a shorter text.",
            )
        prepared, _ = self._prepared(model, request, progress)
        return check_prepared(model, prepared)

    def effects(self, owner: str, request: Request, target: Target, progress: Progress) -> Effects:
        """Find out what a prediction of a request rests on; see `viz.effects.effects`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """

        def prepared() -> tuple[Model, Prepared]:
            model = self.model(request, progress)
            return model, self._prepared(model, request, progress)[0]

        return self._effects.find(owner, request, target, prepared, progress)

    def every_head(
        self, owner: str, request: Request, target: Target, progress: Progress
    ) -> Effects:
        """Knock out each head of what was found out before; see `viz.effects.Effects.with_every_head`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        found = self.effects(owner, request, target, progress)
        return self._effects.with_every_head(owner, request, target, found, progress)

    def logit_lens(self, owner: str, request: Request, progress: Progress) -> LogitLens:
        """Find out what a request would predict after each layer; see `viz.effects.logit_lens`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """

        def prepared() -> tuple[Model, Prepared]:
            model = self.model(request, progress)
            return model, self._prepared(model, request, progress)[0]

        return self._effects.lens(owner, request, prepared, progress)

    def known_logit_lens(self, owner: str, request: Request) -> LogitLens | None:
        """Return what a request would predict after each layer if that was found out before and is still kept."""
        return self._effects.kept_lens(owner, request)

    def effects_name(self, owner: str, request: Request, target: Target) -> str:
        """Name effects for a browser that asks for parts of them."""
        return effect_name(owner, request, target)

    def known_effects(self, owner: str, request: Request, target: Target) -> Effects | None:
        """Return what a prediction rests on if it was found out before and is still kept."""
        return self._effects.kept(owner, request, target)

    def loaded(self, request: Request) -> Model | None:
        """Return a request's model if it is loaded already."""
        return self._models.get(model_key(request))

    def model(self, request: Request, progress: Progress) -> Model:
        """Return a request's model, loading it once however many ask at the same time."""
        key = model_key(request)
        with self._loading:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            model = self._models.get(key)
            if model is None:
                model = self._load(request, progress)
                self._models.put(key, model)
        return model

    def _load(self, request: Request, progress: Progress) -> Model:
        """Load a model; where memory is short, without those that are kept for when they are asked again."""
        load = partial(
            load_model,
            source_of(request),
            device=request.device,
            dtype=request.dtype,
            revision=request.revision,
            progress=progress,
        )
        try:
            return load()
        except BudgetError:
            if not self._models.clear():
                raise
        # Parts of a model refer to each other, and what was a tensor on a GPU is kept by torch.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return load()


@cache
def shared_workbench() -> Workbench:
    """Return the one workbench of this process, for its pages and its routes."""
    return Workbench()


def _compared(model: Model, prepared: Prepared, trace: Trace) -> list[int]:
    """Say at which positions two predictions are laid side by side: at the end, or at masks."""
    assert trace.output is not None, "a capture keeps its output"
    if model.kind != "masked":
        return [len(trace.output) - 1]
    mask = getattr(model.tokenizer, "mask_token_id", None)
    masks = [place for place, number in enumerate(prepared.units.ids) if number == mask]
    return masks[:MOST_MASKS]


def _picture(model: Model, prepared: Prepared) -> NDArray[np.uint8] | None:
    pixels = prepared.inputs.get("pixel_values")
    return None if pixels is None else seen_picture(pixels, model.processor)
