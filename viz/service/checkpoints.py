"""What checkpoints of trainings look at, kept for when it is asked for again."""

from __future__ import annotations

from dataclasses import dataclass

from viz.analysis.head_scores import HeadScores
from viz.capture.trace import Trace
from viz.models.loading import load_model
from viz.service.store import BoundedStore
from viz.service.trainings import loaded_for
from viz.training.folder import RunFolder
from viz.training.task import Loaded

# Traces of small models on short examples, and examples of a few tasks.
TRACE_BYTES = 400_000_000
TASKS_KEPT = 8


@dataclass(frozen=True, slots=True)
class Look:
    """What a checkpoint looks at in one example.

    Attributes:
        trace: of the example.
        scores: of every head of the stack that the task is about, over several examples.
    """

    trace: Trace
    scores: HeadScores


class Checkpoints:
    """Looks at checkpoints."""

    def __init__(self) -> None:
        self._looks: BoundedStore[Look] = BoundedStore(
            TRACE_BYTES, lambda look: look.trace.memory_bytes
        )
        self._loaded: BoundedStore[Loaded] = BoundedStore(TASKS_KEPT, lambda _: 1)
        self._best: BoundedStore[float] = BoundedStore(100_000, lambda _: 1)

    def look(self, folder: RunFolder, step: int) -> Look:
        """Return what the checkpoint of a step looks at.

        Raises:
            LoupeError: it cannot be opened.
        """
        key = (folder.name, step)
        look = self._looks.get(key)
        if look is None:
            loaded = self.loaded(folder)
            model = load_model(str(folder.checkpoint(step)), device="cpu")
            look = Look(loaded.probes[0].trace(model).without_output(), loaded.scores(model))
            self._looks.put(key, look)
            self._best.put(key, look.scores.best.score)
        return look

    def best(self, folder: RunFolder, step: int) -> float | None:
        """Return the score of the best head of a checkpoint that was looked at; None of others."""
        return self._best.get((folder.name, step))

    def loaded(self, folder: RunFolder) -> Loaded:
        """Return the examples of a training."""
        kept = self._loaded.get(folder.name)
        if kept is None:
            kept = loaded_for(folder)
            self._loaded.put(folder.name, kept)
        return kept
