"""Tier 2: weights as a model outside the attention registry reports them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from viz.capture.layer import ReportedLayer
from viz.capture.provenance import Provenance
from viz.errors import CaptureError, VerificationError
from viz.models import Model

ROW_SUM_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5}
HALF_ROW_SUM_TOLERANCE = 1e-2


def reported_layers(model: Model, result: Any, item: int) -> Iterator[ReportedLayer]:
    """Take one item's weights out of a model's output, checking that each is a distribution.

    Raises:
        CaptureError: the model reported no weights, or not one matrix a head.
        VerificationError: rows do not sum to 1, or weights are negative.
    """
    attentions = getattr(result, "attentions", None)
    if not attentions or any(layer is None for layer in attentions):
        raise CaptureError(
            f"{model.name} reports no attention weights.", "Choose a model with softmax attention."
        )
    for number, batch in enumerate(attentions):
        weights = batch[item].detach()
        name = f"layer {number}"
        if weights.ndim != 3 or weights.shape[1] != weights.shape[2]:
            raise CaptureError(
                f"{model.name} reports weights of shape {tuple(weights.shape)} in {name}, "
                "not one square matrix a head.",
                "Sparse and windowed attention of this kind cannot be shown yet.",
            )
        sums = weights.float().sum(dim=-1)
        error = float((sums - 1).abs().max())
        tolerance = ROW_SUM_TOLERANCE.get(weights.dtype, HALF_ROW_SUM_TOLERANCE)
        # Negated, so that NaN does not pass.
        if not (error <= tolerance and float(weights.min()) >= 0):
            raise VerificationError(
                f"{name.capitalize()} of {model.name} failed its check: its rows sum to 1 only "
                f"within {error:.2g}, allowed {tolerance:.2g}.",
                "Its pattern is not shown because it would mislead.",
            )
        yield ReportedLayer(
            name=name,
            weights=weights,
            provenance=Provenance(
                tier="eager",
                output_error=None,
                row_sum_error=error,
                tolerance=tolerance,
                checked_rows=int(weights.shape[1]),
                flags=(),
                mask="as the model applied it",
                scale=None,
                dtype=str(weights.dtype).removeprefix("torch."),
            ),
        )
