"""A model writing, watched by whoever wants to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.capture.capture import in_words
from viz.capture.generation.generation_options import Asked
from viz.capture.observed_pass import Telling
from viz.capture.tiers.attention_implementations import switched
from viz.errors import CaptureError, LoupeError
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.context_length import forget_longer_texts
from viz.models.preserve_state import preserved


class UnstitchableError(Exception):
    """Rows that cannot be appended to each other, and why."""


Watching = Callable[[], AbstractContextManager[None]]


def generate(
    model: Model, prepared: Prepared, asked: Asked, tell: Telling, *watching: Watching
) -> Tensor:
    """Let a model write while somebody watches, and return the ids [1, token].

    Raises:
        CaptureError: it fails, or writes other than one text.
    """
    module: Any = model.module
    inputs = {name: value for name, value in prepared.inputs.items() if name != "decoder_input_ids"}
    try:
        with model.lock, torch.inference_mode(), preserved(module), ExitStack() as stack:
            stack.enter_context(switched(module, model.plan.way if model.plan else None))
            for watch in watching:
                stack.enter_context(watch())
            forget_longer_texts(module)
            result = module.generate(**inputs, **asked.options)
    except (LoupeError, UnstitchableError):
        raise
    except Exception as error:
        tell.reraise()
        raise CaptureError(
            f"{model.name} failed while it wrote: {_first_line(error)}.", asked.advice(error)
        ) from error
    ids = result if isinstance(result, Tensor) else getattr(result, "sequences", None)
    if not isinstance(ids, Tensor) or ids.ndim != 2 or len(ids) != 1 or ids.shape[1] < 2:
        found = tuple(ids.shape) if isinstance(ids, Tensor) else type(result).__name__
        raise CaptureError(
            f"{model.name} wrote {found} where the ids of one text were expected, [1, tokens].",
            asked.advice(CaptureError("")),
        )
    return ids


def _first_line(error: Exception) -> str:
    return in_words(error).partition("\n")[0].rstrip(" .:")


@dataclass(frozen=True, slots=True)
class Chance:
    """The state of torch's random numbers, so that a model that draws can write the same again."""

    here: Tensor
    devices: list[Tensor]

    @classmethod
    def now(cls) -> Chance:
        """Keep what the next numbers depend on."""
        return cls(torch.get_rng_state(), [torch.cuda.get_rng_state(n) for n in _devices()])

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """Draw the same numbers again while this lasts, and go on afterwards as if nothing was."""
        with torch.random.fork_rng(devices=_devices()):
            torch.set_rng_state(self.here)
            for number, state in zip(_devices(), self.devices, strict=True):
                torch.cuda.set_rng_state(state, number)
            yield


def _devices() -> range:
    return range(torch.cuda.device_count())
