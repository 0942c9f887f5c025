"""What can be done with a sentence encoder alone: compare texts by what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from viz.capture.capture import capture
from viz.errors import ModelRefusedError, TextError
from viz.models.model import Model

# Each is a forward pass of its own.
MOST_TEXTS = 40


def meaning(model: Model, text: str) -> Tensor:
    """Make one vector of a text: the mean of what the last layer holds, of length 1.

    Args:
        model: a sentence encoder, whose output is its hidden state.
        text: of any length that it reads.

    Returns:
        Shape [d_model], float32.

    Raises:
        ModelRefusedError: the model gives no hidden state.

    Source: Reimers & Gurevych 2019, sec. 3.
    """
    output = capture(model, text).output
    if model.kind != "encoder" or output is None:
        raise ModelRefusedError(
            f"{model.name} gives no hidden state to take a mean of.", "Choose a sentence encoder."
        )
    mean: Tensor = output.float().mean(0)
    return torch.nn.functional.normalize(mean, dim=0)


def closeness(model: Model, text: str, others: Sequence[str]) -> list[float]:
    """Say how close a text is to each of some others, by the cosine between their vectors.

    Raises:
        TextError: there are no others, or too many.
    """
    if not others:
        raise TextError("There is nothing to compare with.", "Give a text or two, one a line.")
    _require_few(others)
    one = meaning(model, text)
    return [float(one @ meaning(model, other)) for other in others]


def central(model: Model, sentences: Sequence[str]) -> list[float]:
    """Say how close each sentence is to the mean of all, by the cosine: the closest sum up the text.

    Raises:
        TextError: there are no sentences, or too many.
    """
    if not sentences:
        raise TextError("There is nothing to sum up.", "Give a few sentences, one a line.")
    _require_few(sentences)
    each = torch.stack([meaning(model, sentence) for sentence in sentences])
    middle = torch.nn.functional.normalize(each.mean(0), dim=0)
    return [float(one) for one in each @ middle]


def _require_few(texts: Sequence[str]) -> None:
    if len(texts) > MOST_TEXTS:
        raise TextError(
            f"There are {len(texts):,} lines; at most {MOST_TEXTS} are compared.",
            "Leave some out.",
        )
