"""What a model is given, and what the units of it are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from viz.inputs.units import Units, numbered_units

# Samples that become one frame in wav2vec 2.0 and those after it (its convolutions' strides).
SAMPLES_PER_FRAME = 320

# Steps of a spectrogram that one frame may stand for; convolutions halve them, some twice or more.
STRIDES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Model inputs on the model's device, and what their units are called.

    Attributes:
        inputs: as the model's forward takes them.
        units: of the first text or input.
        text: the first text; None where the model's own inputs were given.
        pair: the second text of a pair, or what an encoder-decoder writes.
        known: units that have names, for stacks to be matched with.
        item: which input of the batch to keep.
        batch: how many inputs the batch has.
        axis: which dimension counts them.
        other_axis: which dimension counts them if that one does not, and how many; None where there is no
            doubt.
        rows: how many rows of its inputs are one input: codebooks of a sound, frames of a film.
        other: what units are that have no names of their own.
        seconds: how long the sound is that they share; None where there is none.
    """

    inputs: dict[str, Any]
    units: Units
    text: str | None
    pair: str | None
    known: tuple[Units, ...]
    item: int = 0
    batch: int = 1
    axis: int = 0
    other_axis: tuple[int, int] | None = None
    other: str = "token"
    rows: int = 1
    seconds: float | None = None

    @property
    def longest(self) -> int:
        """How many units the longest axis has, at most: named ones, or what a sound is cut into."""
        lengths = [len(units) for units in self.known]
        samples, features = self.inputs.get("input_values"), self.inputs.get("input_features")
        if isinstance(samples, Tensor) and samples.ndim == 2:
            lengths.append(samples.shape[-1] // SAMPLES_PER_FRAME)
        if isinstance(features, Tensor) and features.ndim == 3:
            lengths.append(max(features.shape[1:]))
        return max([1, *lengths])

    def unnamed(self, count: int) -> Units:
        """Name units that only their number is known of: frames by their time, if they follow it."""
        units = numbered_units(self.other, count)
        if self.other != "frame" or self.seconds is None:
            return units
        if not self._follow_time(count):
            # Such as pieces of a spectrogram, which are cut along its frequencies too.
            return numbered_units("position", count)
        step = self.seconds / max(1, count)
        return replace(units, labels=tuple(f"{i * step:.2f} s" for i in range(count)))

    def _follow_time(self, count: int) -> bool:
        """Whether so many units may be one run of frames: the steps of the input, or a half, a quarter, ..."""
        features = self.inputs.get("input_features")
        if not isinstance(features, Tensor):
            return True
        if features.ndim != 3:
            return False
        steps = max(features.shape[1:])
        return any(abs(steps - count * stride) < stride for stride in STRIDES)
