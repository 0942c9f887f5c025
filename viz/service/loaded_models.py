"""Models that are loaded, each once, and shared by everybody who asks for it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from viz.capture.load_and_wrap_model import load_model
from viz.errors import BudgetError
from viz.models import Model
from viz.service.lru_store import BoundedStore
from viz.service.run_request import model_key, source_of
from viz.service.run_result import Request

Progress = Callable[[str, float], None]

# Loaded models kept at a time; one more lets go of the one not used for longest.
KEPT_MODELS = 2

# How often somebody who waits for another to load the same may cancel, in seconds.
TURN_SECONDS = 0.2


class LoadedModels:
    """Keeps the models that were asked for last."""

    def __init__(self) -> None:
        self._models: BoundedStore[Model] = BoundedStore(KEPT_MODELS, lambda _: 1)
        self._loading = threading.Lock()
        # Of those that are being loaded: users name models, and names that nobody waits for are forgotten.
        self._locks: weakref.WeakValueDictionary[tuple[str | None, ...], threading.Lock] = (
            weakref.WeakValueDictionary()
        )

    def loaded(self, request: Request) -> Model | None:
        """Return a request's model if it is loaded already."""
        return self.loaded_by(model_key(request))

    def loaded_by(self, key: tuple[str | None, ...]) -> Model | None:
        """Return a model by its key, as `model_key` makes it, if it is loaded already."""
        return self._models.get(key)

    def model(self, request: Request, progress: Progress) -> Model:
        """Return a request's model, loading it once however many ask at the same time.

        Raises:
            LoupeError: it cannot be loaded, for the reason it gives.
        """
        key = model_key(request)
        with self._alone(key, progress):
            model = self._models.get(key)
            if model is None:
                model = self._load(request, progress)
                self._models.put(key, model)
        return model

    @contextmanager
    def _alone(self, key: tuple[str | None, ...], progress: Progress) -> Iterator[None]:
        """Wait until nobody else loads the same; progress may raise meanwhile to cancel."""
        with self._loading:
            lock = self._locks.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=TURN_SECONDS):
            progress("load", 0.0)
        try:
            yield
        finally:
            lock.release()

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
