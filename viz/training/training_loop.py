"""The loop: batches in, checkpoints and figures out.

Accelerate moves things to the device and scales them where that is needed; the optimiser and its
schedule are PyTorch's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import get_cosine_schedule_with_warmup

from viz.errors import CancelledError, DivergedError
from viz.models.custom.transformers_models import LoupeModel
from viz.models.load_lock import building
from viz.training.evaluation import Trial, tried
from viz.training.optimizer_state import load_memory, save_memory
from viz.training.task_examples import Batch, Examples, batches, test_batches
from viz.training.training_settings import Settings

# A loss that is so many times what it was at the start, on average over some steps, grows.
GROWN, AVERAGED = 3.0, 20

# Losses below this are as good as nothing, and may grow.
LEAST_LOSS = 1e-3


@dataclass(frozen=True, slots=True)
class Moment:
    """How a training stands after a step.

    Attributes:
        step: from 1.
        loss: of the step's own batch, before its update.
        learning_rate: of the step.
    """

    step: int
    loss: float
    learning_rate: float


class Listener(Protocol):
    """Who follows a training; either may wait, and may raise to stop it.

    What is learnt when a step was heard of and a `CancelledError` comes back is kept.
    """

    def moved(self, moment: Moment) -> None:
        """Hear of a step; the model's weights are those after it."""

    def keep(self, step: int, trial: Trial, remember: Callable[[Path], None]) -> None:
        """Keep a checkpoint; `remember` writes what the optimiser needs to go on from there."""


def train(
    model: LoupeModel,
    examples: Examples,
    settings: Settings,
    listener: Listener,
    *,
    start: int = 0,
    memory: Path | None = None,
    began: float = math.nan,
    device: str = "cpu",
) -> None:
    """Train a model in place.

    Args:
        model: whose weights are changed.
        examples: to learn from and to be tried on.
        settings: how.
        listener: hears of every step, and keeps checkpoints, one before the first step among them.
        start: steps that are done, where a training goes on; the model's weights are those after them.
        memory: what the optimiser remembered then.
        began: the loss of the first step, where a training goes on; NaN where it begins.
        device: to train on.

    Raises:
        DivergedError: the loss is no number any more, or grows.
    """
    accelerator = Accelerator(cpu=device == "cpu")
    model.to(accelerator.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    if memory is not None:
        load_memory(optimizer, model, memory)
    for group in optimizer.param_groups:
        group["initial_lr"] = settings.learning_rate
    schedule = get_cosine_schedule_with_warmup(
        optimizer,
        round(settings.warmup * settings.steps),
        settings.steps,
        last_epoch=start - 1 if start else -1,
    )
    prepared, wrapped, schedule = accelerator.prepare(model, optimizer, schedule)

    def keep(step: int) -> None:
        unseen = test_batches(examples, settings.batch_size, settings.test_examples)
        trial = tried(model, unseen)
        listener.keep(step, trial, lambda path: save_memory(optimizer, model, path))

    if start == 0:
        keep(0)
    watch = _Watch(settings, began)
    coming = batches(examples, settings.batch_size, seed=settings.seed, start=start)
    model.train()
    for step, batch in zip(range(start + 1, settings.steps + 1), coming, strict=False):
        rate = float(optimizer.param_groups[0]["lr"])
        seed = settings.seed + step if model.config.options.dropout else None
        loss = _updated(accelerator, prepared, wrapped, batch, settings.clip, seed)
        schedule.step()
        watch.require_falling(step, loss)
        try:
            listener.moved(Moment(step, loss, rate))
        except CancelledError:
            keep(step)
            raise
        if step % settings.keep_every == 0 or step == settings.steps:
            keep(step)


def _updated(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    clip: float,
    seed: int | None,
) -> float:
    """Make one step; return the loss before it.

    Args:
        seed: of what is dropped out; None where nothing is.
    """
    on_device = {name: one.to(accelerator.device) for name, one in batch.items()}
    loss: Tensor
    if seed is None:
        loss = model(**on_device).loss
    else:
        # The seed and the step alone tell what is dropped out, also where a training goes on; the random
        # state is the whole process's, and others draw from it too.
        with building, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            loss = model(**on_device).loss
    optimizer.zero_grad()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return float(loss.detach())


class _Watch:
    """Notices that a training is lost."""

    def __init__(self, settings: Settings, began: float) -> None:
        self._rate = settings.learning_rate
        self._latest: deque[float] = deque(maxlen=AVERAGED)
        self._first = began

    def require_falling(self, step: int, loss: float) -> None:
        """Hear of the loss of a step.

        Raises:
            DivergedError: it is no number any more, or has grown.
        """
        # Before the first update a model knows nothing; later it should know no less.
        if math.isnan(self._first):
            self._first = loss
        self._latest.append(loss)
        mean = sum(self._latest) / len(self._latest)
        said = ""
        if not math.isfinite(loss):
            said = f"The loss is {loss} at step {step:,}"
        elif len(self._latest) == AVERAGED and mean > GROWN * max(self._first, LEAST_LOSS):
            said = f"The loss has grown from {self._first:.3g} to {mean:.3g} by step {step:,}"
        if said:
            raise DivergedError(
                f"{said}: the training has diverged.",
                f"Choose a lower learning rate than {self._rate:g}; the checkpoints up to here are kept.",
                step=step,
            )
