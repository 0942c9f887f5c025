"""Tier 2: weights as a model outside the attention registry makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.layers.sparse_layer import SparseLayer, without_padding
from viz.capture.layers.windowed_layer import ReportedWindows
from viz.capture.provenance import Provenance
from viz.capture.tiers.eager import (
    HALF_ROW_SUM_TOLERANCE,
    ROW_SUM_TOLERANCE,
    row_sum_error,
)
from viz.capture.tiers.value_probe import Reading
from viz.errors import VerificationError
from viz.inputs.units import Units


def reported_layers(
    found: Sequence[tuple[str, Tensor]],
    *,
    errors: Mapping[int, float | None],
    item: int,
    batch: int,
    model: str,
) -> Iterator[ReportedLayer | ReportedWindows]:
    """Take one item's weights out of those that parts of a model multiplied their values with.

    Args:
        found: the part and its weights [batch or window, head, query, key].
        errors: max |weights @ v - output|, by where weights lie.
        item: which input of the batch.
        batch: how many inputs it has.
        model: its name, for messages.

    Raises:
        VerificationError: not one matrix a head, rows do not sum to 1, or weights are negative.
    """
    for name, whole in found:
        if whole.shape[0] % batch:
            raise VerificationError(
                f"{model} reports weights of shape {tuple(whole.shape)} in {name}, "
                f"which is no multiple of the batch of {batch}.",
                "Whose they are cannot be told, so they are not shown.",
            )
        windows = whole.shape[0] // batch
        weights = whole[item * windows : (item + 1) * windows]
        provenance = _provenance(name, weights, model, errors.get(whole.data_ptr()))
        if windows == 1:
            yield ReportedLayer(name, weights[0], provenance)
        else:
            yield ReportedWindows(name, weights, provenance)


def read_layer(reading: Reading, known: Sequence[Units]) -> SparseLayer:
    """Keep weights that were read off a part, without the padding of its last window."""
    lengths = [len(units) for units in _sides(reading.name, known) if len(units) <= reading.tokens]
    # Several streams over one text (ProphetNet's, which predict several words ahead) are no padding.
    if lengths and "decoder" in reading.name and reading.tokens % max(lengths) == 0:
        lengths = []
    weights, tokens = without_padding(
        reading.weights, reading.tokens, max(lengths, default=reading.tokens)
    )
    flags: tuple[str, ...] = ("read off the layer itself, by giving it other values",)
    usual = ROW_SUM_TOLERANCE.get(reading.dtype, HALF_ROW_SUM_TOLERANCE)
    if reading.row_sum_error > usual:
        flags = (*flags, "the model's own rounding keeps rows from summing to 1")
    provenance = Provenance(
        tier="hooks",
        output_error=reading.output_error,
        row_sum_error=reading.row_sum_error,
        tolerance=reading.tolerance,
        checked_rows=int(weights.shape[1]),
        flags=flags,
        mask="its own",
        scale=None,
        dtype=str(reading.dtype).removeprefix("torch."),
    )
    layer = SparseLayer.of(reading.name, weights, tokens, provenance)
    share = layer.values.numel() / max(1, weights.numel())
    told = replace(provenance, mask=f"its own; {share:.0%} of all pairs attended")
    return replace(layer, provenance=told)


def _sides(name: str, known: Sequence[Units]) -> Sequence[Units]:
    """Say which texts a part may stand for: of a source and a target, by its name."""
    if len(known) != 2:
        return known
    return known[1:] if "decoder" in name else known[:1] if "encoder" in name else known


def refuse_unproven(name: str, model: str) -> VerificationError:
    """Say that a layer's weights are neither those that it used nor can be read off it."""
    return VerificationError(
        f"Layer {name} of {model} failed its check: the weights that it returns are not the numbers "
        "it multiplies its values with, and its output is no weighted mean of its values.",
        "Its pattern is not shown because it would mislead; if you know what its softmax saw, "
        "say so with viz.wrap_model(module, attention=...).",
    )


def _provenance(name: str, weights: Tensor, model: str, output_error: float | None) -> Provenance:
    error = row_sum_error(weights)
    tolerance = ROW_SUM_TOLERANCE.get(weights.dtype, HALF_ROW_SUM_TOLERANCE)
    # Negated, so that NaN does not pass.
    if not (error <= tolerance and float(weights.min()) >= 0):
        raise VerificationError(
            f"Layer {name} of {model} failed its check: its rows sum to 1 only "
            f"within {error:.2g}, allowed {tolerance:.2g}.",
            "Its pattern is not shown because it would mislead.",
        )
    return Provenance(
        tier="eager",
        output_error=output_error,
        row_sum_error=error,
        tolerance=tolerance,
        checked_rows=int(weights.shape[2]),
        flags=(),
        mask="as the model applied it",
        scale=None,
        dtype=str(weights.dtype).removeprefix("torch."),
    )
