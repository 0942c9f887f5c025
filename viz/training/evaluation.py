"""How well a model does on examples that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.task_losses import IGNORED
from viz.models.custom.transformers_models import LoupeModel
from viz.training.task_examples import Batch


@dataclass(frozen=True, slots=True)
class Trial:
    """How well a model did.

    Attributes:
        loss: mean over examples, in nats for tokens and classes, squared for numbers.
        accuracy: share of labels that it would have chosen; NaN where labels are numbers.
        examples: how many it was tried on.
    """

    loss: float
    accuracy: float
    examples: int


@torch.no_grad()
def tried(model: LoupeModel, batches: Iterable[Batch]) -> Trial:
    """Try a model, as it is when nothing is dropped out; its mode is left as it was."""
    was_training = model.training
    model.eval()
    loss, right, labels, examples = 0.0, 0, 0, 0
    for batch in batches:
        on_device = {name: one.to(model.device) for name, one in batch.items()}
        told = model(**on_device)
        size = len(on_device["labels"])
        loss += float(told.loss) * size
        examples += size
        hits, count = hits_of(model.config.options, told.logits, on_device["labels"])
        right, labels = right + hits, labels + count
    model.train(was_training)
    return Trial(loss / max(1, examples), right / labels if labels else math.nan, examples)


def hits_of(options: TransformerOptions, logits: Tensor, labels: Tensor) -> tuple[int, int]:
    """Count the labels that a model would have chosen, and all of them; none where they are numbers."""
    if options.task == "regression":
        return 0, 0
    if options.task == "language" and options.architecture == "decoder":
        logits, labels = logits[:, :-1], labels[:, 1:]
    counted = labels != IGNORED
    return int(((logits.argmax(-1) == labels) & counted).sum()), int(counted.sum())
