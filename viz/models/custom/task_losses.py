"""What a custom transformer is taught with: labels, and how far its predictions are from them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from viz.errors import ShapeError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.pretrained_config import LoupeConfig

# Labels that count for nothing, as in PyTorch and transformers.
IGNORED = -100


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of labels that are not -100, in nats."""
    flat = logits.reshape(-1, logits.shape[-1])
    return functional.cross_entropy(flat, labels.reshape(-1), ignore_index=IGNORED)


def task_loss(options: TransformerOptions, predicted: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of classes in nats, or the mean squared error of numbers.

    Args:
        options: of the model.
        predicted: [.., outputs].
        labels: a class for each place, [..]; or numbers [.., outputs], where one is predicted [..] too.

    Raises:
        ShapeError: labels do not belong to what was predicted.
    """
    classes = options.task == "classification"
    places = predicted.shape[:-1]
    fitting = [tuple(places if classes else predicted.shape)]
    if classes or predicted.shape[-1] == 1:
        # One number for each place, with a side of its own or without.
        fitting += [tuple(places), (*places, 1)]
    if tuple(labels.shape) not in fitting:
        raise ShapeError(
            f"The labels have shape {tuple(labels.shape)}, and the predictions {tuple(predicted.shape)}.",
            f"Give labels of shape {fitting[0]}.",
        )
    if classes:
        return token_loss(predicted, labels)
    return functional.mse_loss(predicted, labels.reshape(predicted.shape).to(predicted.dtype))


def shifted_right(labels: Tensor, config: LoupeConfig) -> Tensor:
    """Make what a decoder reads of what it should write: its start, then all but the last."""
    start = labels.new_full((len(labels), 1), int(config.decoder_start_token_id))
    written = torch.cat([start, labels[:, :-1]], dim=1)
    return written.masked_fill(written == IGNORED, int(config.pad_token_id))
