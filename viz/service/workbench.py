"""Runs requests: models loaded once, results kept for their owners within a budget."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis import predictions
from viz.capture import Check, capture_prepared, check_prepared
from viz.capture.heard import heard
from viz.capture.trace import Trace
from viz.errors import BudgetError, CaptureError, GoneError, InputError, ModelRefusedError
from viz.models import Model, load_model
from viz.models.address import is_address
from viz.models.catalogue import find_entry
from viz.models.folders import allowed_folder, cache_folder, model_roots
from viz.models.limits import require_room
from viz.models.model import ONE, one_of, several
from viz.models.prepare import prepare
from viz.models.prepared import Prepared
from viz.models.readable import check_text, require_context
from viz.models.senses import prepare_media
from viz.models.text import count_tokens
from viz.models.writing import write
from viz.patterns import LayerSurvey, Survey, survey
from viz.service.analysis import Analysis, Request
from viz.service.files import FileStore
from viz.service.media import loudness, require_readable, seen_picture, sense_of
from viz.service.store import BoundedStore
from viz.service.tokens import Tokens
from viz.service.visitors import Visitors

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


@dataclass(frozen=True, slots=True)
class Begun:
    """A captured run, and the layers of each stack that are surveyed so far."""

    analysis: Analysis
    known: dict[str, dict[int, LayerSurvey]] = field(default_factory=dict)


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
        self._tokens = Tokens()
        self._shown: weakref.WeakValueDictionary[str, Analysis] = weakref.WeakValueDictionary()
        self._loading = threading.Lock()
        self._locks: dict[tuple[str | None, ...], threading.Lock] = {}

    def result(self, owner: str, request: Request) -> Analysis | None:
        """Return an owner's finished result, if it is still kept."""
        return self._results.get((owner, request))

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

    def permit(self, token: str, browser: str) -> None:
        """Make sure that a result belongs to a page that a browser has open.

        Args:
            token: of the result.
            browser: the value of its cookie.

        Raises:
            InputError: it does not, or there never was such a result.
        """
        self._tokens.require_ours(token, self.visitors.owners(browser))

    def analyse(
        self,
        owner: str,
        request: Request,
        progress: Progress,
        first: tuple[str, int] | None = None,
    ) -> Analysis:
        """Load, tokenise, run and draw, telling progress by phase.

        Args:
            owner: an unguessable name of the session; others cannot get at its results.
            request: what to do.
            progress: called with a phase and the share done; may raise to cancel.
            first: stack and layer of the head that somebody looks at, to be drawn before the others.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        kept = self.result(owner, request)
        if kept is not None:
            return kept
        begun = self._begin(owner, request, progress)
        analysis = replace(begun.analysis, surveys=_surveyed(begun, progress, first))
        self._shown[analysis.token] = analysis
        self._results.put((owner, request), analysis)
        self._begun.drop((owner, request))
        return analysis

    def captured(self, owner: str, request: Request) -> Analysis | None:
        """Return an owner's run, if it is still kept, whether or not its heads are surveyed."""
        begun = self._begun.get((owner, request))
        return self.result(owner, request) or (None if begun is None else begun.analysis)

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
        _check_texts(request)
        model = self.model(request, progress)
        _require_given(model, request)
        progress("tokenise", 0.0)
        prepared, written = self._prepared(model, request, progress)
        cost = require_room(model, prepared.longest)
        start = time.perf_counter()
        trace = capture_prepared(model, prepared, progress)
        seconds = time.perf_counter() - start
        ranked = None
        if model.kind in PREDICTING:
            ranked = predictions(trace, whole=_compared(model, prepared, trace))
        trace, loud = trace.without_output(), self._loudness(request)
        if loud is not None:
            # What fills a sound up to what the model always hears is no part of it.
            trace = replace(trace, stacks=heard(trace.stacks, loud[1]))
        return Analysis(
            request=request,
            token=self._tokens.issue(owner),
            trace=trace,
            surveys={},
            predictions=ranked,
            estimate=cost,
            seconds=seconds,
            tokenizer=model.tokenizer,
            written=written,
            picture=_picture(model, prepared),
            loudness=loud,
        )

    def _prepared(
        self, model: Model, request: Request, progress: Progress
    ) -> tuple[Prepared, str | None]:
        """Turn a request into the model's inputs; an encoder-decoder without a target writes one."""
        pair, target = _second_text(model, request)
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

    def loaded(self, request: Request) -> Model | None:
        """Return a request's model if it is loaded already."""
        return self._models.get(_model_key(request))

    def model(self, request: Request, progress: Progress) -> Model:
        """Return a request's model, loading it once however many ask at the same time."""
        key = _model_key(request)
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


def _surveyed(begun: Begun, progress: Progress, first: tuple[str, int] | None) -> dict[str, Survey]:
    """Survey every stack of a run, the one that is looked at first, as one piece of work."""
    stacks = begun.analysis.trace.stacks
    seen, layer = first or ("", 0)
    work = {
        name: sum(stack.heads(number) for number in range(stack.layers))
        * len(stack.queries)
        * len(stack.keys)
        for name, stack in stacks.items()
    }
    found, done, total = {}, 0, max(1, sum(work.values()))
    for name in sorted(stacks, key=lambda name: name != seen):
        stack, before, share = stacks[name], done / total, work[name] / total

        def tell(phase: str, part: float, before: float = before, share: float = share) -> None:
            progress(phase, before + share * part)

        found[name] = survey(
            stack,
            known=begun.known.setdefault(name, {}),
            first=[layer] if name == seen and 0 <= layer < stack.layers else [],
            progress=tell,
        )
        done += work[name]
    return {name: found[name] for name in stacks}


@cache
def shared_workbench() -> Workbench:
    """Return the one workbench of this process, for its pages and its routes."""
    return Workbench()


def _check_texts(request: Request) -> None:
    """Find fault with the texts before a model is loaded for them, if it may read texts."""
    entry = None if request.local else find_entry(request.model)
    if entry is not None and entry.reads != "text":
        return
    if request.text.strip() or not request.media:
        check_text(request.text)
    if request.pair is not None:
        check_text(request.pair, what="second text")


def _require_given(model: Model, request: Request) -> None:
    """Make sure that a model is given what it reads, in words for who sees a page and no Python.

    Raises:
        InputError: it reads pictures or sounds, and none is given.
        ModelRefusedError: it does not read what is given.
    """
    if not request.media:
        if model.reads and "text" not in model.reads:
            raise InputError(
                f"{model.name} reads {several(model.reads)}, and none is given.",
                f"Give {one_of(model.reads)}.",
            )
        if model.tokenizer is None:
            raise ModelRefusedError(
                f"{model.name} has no tokenizer, so it cannot read a text.",
                "Put its tokenizer.json beside its weights, or choose another model.",
            )
        return
    sense = sense_of(request.media)
    if model.reads and sense not in model.reads:
        instead = f"choose a model that reads {sense}s"
        raise ModelRefusedError(
            f"{model.name} reads {several(model.reads)}, not {sense}s.",
            f"Run it on the text alone, or {instead}."
            if "text" in model.reads
            else f"Give {one_of(model.reads)}, or {instead}.",
        )
    if model.processor is None:
        raise ModelRefusedError(
            f"{model.name} has no processor, so it cannot read {ONE[sense]}.",
            "Put its preprocessor_config.json beside its weights, or choose another model.",
        )


def _second_text(model: Model, request: Request) -> tuple[str | None, str | None]:
    """Say what the second text is to the model: the other of a pair, or what it writes."""
    return (None, request.pair) if model.kind == "seq2seq" else (request.pair, None)


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


def source_of(request: Request) -> str:
    """Return what to load: folders only from inside the allowed ones, names only as names.

    Raises:
        ModelRefusedError: a folder leads outside the allowed ones.
        ModelNotFoundError: there is no such folder.
    """
    name = request.model.strip()
    if find_entry(name) is not None and not request.local:
        return name
    if is_address(name):
        return f"hub:{name}"
    looks_like_path = name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1
    if request.local or looks_like_path:
        return str(allowed_folder(name, model_roots()))
    return f"hub:{name}"


def _model_key(request: Request) -> tuple[str | None, ...]:
    return (request.model, request.revision, request.device, request.dtype, str(request.local))
