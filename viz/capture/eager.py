"""Tier 2: weights as a model outside the attention registry returns them."""

from __future__ import annotations

from collections.abc import Iterator

from viz.capture.layer import ReportedLayer
from viz.capture.provenance import Provenance
from viz.capture.windows import ReportedWindows
from viz.errors import CaptureError, VerificationError
from viz.models.returned import (
    HALF_ROW_SUM_TOLERANCE,
    ROW_SUM_TOLERANCE,
    Returned,
    row_sum_error,
)


def reported_layers(
    returned: Returned, *, item: int, batch: int, model: str
) -> Iterator[ReportedLayer | ReportedWindows]:
    """Take one item's weights out of what a model returned, checking that each is a distribution.

    Raises:
        CaptureError: the model returned no weights, or not one matrix a head.
        VerificationError: rows do not sum to 1, or weights are negative.
    """
    if not returned.found:
        raise CaptureError(
            f"{model} reports no attention weights.", "Choose a model with softmax attention."
        )
    for name, whole in returned.found:
        if whole.shape[0] % batch:
            raise CaptureError(
                f"{model} reports weights of shape {tuple(whole.shape)} in {name}, "
                f"which is no multiple of the batch of {batch}.",
                "Whose they are cannot be told, so they are not shown.",
            )
        windows = whole.shape[0] // batch
        weights = whole[item * windows : (item + 1) * windows]
        error = row_sum_error(weights)
        tolerance = ROW_SUM_TOLERANCE.get(weights.dtype, HALF_ROW_SUM_TOLERANCE)
        # Negated, so that NaN does not pass.
        if not (error <= tolerance and float(weights.min()) >= 0):
            raise VerificationError(
                f"Layer {name} of {model} failed its check: its rows sum to 1 only "
                f"within {error:.2g}, allowed {tolerance:.2g}.",
                "Its pattern is not shown because it would mislead.",
            )
        provenance = Provenance(
            tier="eager",
            output_error=None,
            row_sum_error=error,
            tolerance=tolerance,
            checked_rows=int(weights.shape[2]),
            flags=(),
            mask="as the model applied it",
            scale=None,
            dtype=str(weights.dtype).removeprefix("torch."),
        )
        if windows == 1:
            yield ReportedLayer(name, weights[0], provenance)
        else:
            yield ReportedWindows(name, weights, provenance)
