"""What checkpoints of trainings look at, kept for when it is asked for again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from viz.analysis.head_scores import HeadScores
from viz.capture.load_and_wrap_model import load_model
from viz.capture.trace import Trace
from viz.models.model import Model
from viz.service.example_cache import ExampleStore
from viz.service.lru_store import BoundedStore
from viz.training.task import Loaded
from viz.training.training_folder import RunFolder

# Traces of small models on short examples.
TRACE_BYTES = 400_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a checkpoint looks at in one example.

    Attributes:
        trace: of the example.
        scores: of every head of the stack that the task is about, over several examples.
    """

    trace: Trace
    scores: HeadScores

    @property
    def is_scored(self) -> bool:
        """Whether any head has a score."""
        return bool(np.isfinite(self.scores.scores).any())


class Checkpoints:
    """Looks at checkpoints.

    Args:
        examples: to look at them with.
    """

    def __init__(self, examples: ExampleStore) -> None:
        self._examples = examples
        self._looks: BoundedStore[Look] = BoundedStore(
            TRACE_BYTES, lambda look: look.trace.memory_bytes
        )

    def look(self, folder: RunFolder, step: int) -> Look:
        """Return what the checkpoint of a step looks at, from its file if nobody looked before.

        Raises:
            LoupeError: it cannot be opened.
        """
        look = self._looks.get((folder.name, step))
        if look is None:
            model = load_model(str(folder.checkpoint(step)), device="cpu")
            look = self.keep(folder, step, model, self._examples.of(folder))
        return look

    def keep(self, folder: RunFolder, step: int, model: Model, loaded: Loaded) -> Look:
        """Look at a model as it is after a step, and keep what was seen.

        Raises:
            LoupeError: it cannot be observed.
        """
        look = Look(loaded.probes[0].trace(model).without_output(), loaded.scores(model))
        self._looks.put((folder.name, step), look)
        return look
