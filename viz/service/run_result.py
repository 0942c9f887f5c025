"""What a user asks for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viz.analysis import Predictions
from viz.capture import Trace
from viz.models.run_cost import Estimate
from viz.patterns import Statistics, Survey, Thumbnails


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for; equal requests have equal results.

    Attributes:
        model: a catalogue name, a hub id, or a folder inside the allowed ones.
        text: to look at; may be empty where a picture or a sound is given.
        pair: a second text, or what an encoder-decoder writes, or None.
        revision: of a hub model, or None.
        device: `auto` or a device's name.
        dtype: `auto` or a dtype's name.
        local: whether `model` names a folder.
        media: the kept name of a picture or a sound, or empty.
    """

    model: str
    text: str
    pair: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    local: bool = False
    media: str = ""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Analysis:
    """A run: the trace, and what every view of it needs.

    Attributes:
        request: what was asked.
        token: an unguessable name, by which a browser asks for parts of it.
        trace: without its logits, and of a sound without the silence that the model hears after it.
        surveys: what one pass found of every head, by stack; of a run that is still being drawn, of some.
        predictions: None for models without a language-model head.
        estimate: what was foreseen.
        seconds: of the forward pass, measured.
        tokenizer: of the model, to name predictions.
        written: what an encoder-decoder wrote of its own, where nobody said what; empty if it wrote nothing.
        picture: as the model saw it, [height, width, 3].
        loudness: of the sound over time, and its seconds.
        classes: that the model tells apart, by number; none of a model that tells no classes apart.
    """

    request: Request
    token: str
    trace: Trace
    surveys: dict[str, Survey]
    predictions: Predictions | None
    estimate: Estimate
    seconds: float
    tokenizer: object
    written: str | None = None
    picture: NDArray[np.uint8] | None = None
    loudness: tuple[NDArray[np.float32], float] | None = None
    classes: tuple[str, ...] = ()

    @property
    def statistics(self) -> dict[str, Statistics]:
        """Numbers of every head, by stack."""
        return {name: survey.statistics for name, survey in self.surveys.items()}

    @property
    def thumbnails(self) -> dict[str, Thumbnails]:
        """Small pictures of every head, by stack."""
        return {name: survey.thumbnails for name, survey in self.surveys.items()}

    @property
    def surveyed_layers(self) -> int:
        """How many layers the surveys hold, in all stacks."""
        return sum(len(survey.layers) for survey in self.surveys.values())

    @property
    def memory_bytes(self) -> int:
        """What keeping it costs."""
        surveys = sum(survey.memory_bytes for survey in self.surveys.values())
        return self.trace.memory_bytes + surveys
