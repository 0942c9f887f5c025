"""From a text, or a model's own inputs, to what it reads, with every limit checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viz.errors import ShapeError
from viz.inputs.input_checks import check_text
from viz.inputs.own_tensors import prepare_inputs
from viz.inputs.prepared import Prepared
from viz.inputs.text import prepare_text
from viz.models.argument_checks import kind_of_value
from viz.models.model import Model


def prepare(
    model: Model,
    given: str | Mapping[str, Any],
    *,
    pair: str | None = None,
    target: str | None = None,
    item: int | None = None,
) -> Prepared:
    """Turn a text, or a model's own inputs, into what its forward takes.

    Raises:
        TextError: the text cannot be read.
        TextTooLongError: it has more tokens than the model reads.
        ShapeError: the inputs do not fit, or hold several and none was chosen.
        ModelRefusedError: a text was given and the model has no tokenizer, or reads no pairs.
    """
    if isinstance(given, str):
        return prepare_text(model, check_text(given), pair, target)
    if not isinstance(given, Mapping):
        raise ShapeError(
            f"The inputs are {kind_of_value(given)}.", "Give a text, or a dict of tensors."
        )
    return prepare_inputs(model, given, item)
