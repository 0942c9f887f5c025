"""The check that every recorded layer passes before anyone sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.layers.windowed_layer import WindowedLayer
from viz.capture.provenance import Provenance
from viz.capture.replay.rounding import allowed_error
from viz.capture.tiers.registry import AttentionCall
from viz.errors import VerificationError

# Query rows of each layer whose weights @ v is compared with what the kernel returned.
CHECKED_ROWS = 8

# What comes after an output projection adds up as many roundings again, over the heads.
PROJECTED = 4

# Weights are computed in float32 whatever the model computes in.
ROW_SUM_TOLERANCE = 1e-5

# Every so many values tell how large values are, which is all that the tolerance needs.
TOLERANCE_STRIDE = 16

# Says of a layer that the keys which it adds come after those of the input.
OWN_KEYS_LAST = "keys of its own after the input's"

UNVERIFIED = Provenance("registry", None, 0.0, 0.0, 0, (), "", None, "")

Checked = TypeVar("Checked", RecordedLayer, WindowedLayer)


def verified(
    layer: Checked,
    call: AttentionCall,
    value: Tensor,
    output: Tensor,
    *,
    one: Checked | None = None,
) -> Checked:
    """Recompute some rows and compare weights @ v with what the layer returned.

    Args:
        layer: to check.
        call: as the model made it.
        value: of the item, [kv_head, key, d].
        output: of the item, [query, head, d], or [query, d_model] where the call has a `finish`; of items side by side
            [query, item, head, d].
        one: of several items whose heads stand side by side in `layer`, the layer of one, which is what is told of.

    Returns:
        The layer with its provenance.

    Raises:
        VerificationError: the weights do not reproduce the layer's output.
    """
    queries, keys = layer.shape
    looking = _rows_that_look(layer, queries)
    groups = layer.heads // value.shape[0]
    # Weights are float32 whatever the model computes in.
    wide = call.value.dtype == torch.float64
    tolerance = allowed_error(torch.float32 if wide else call.value.dtype)
    output_error, row_sum_error = 0.0, 0.0
    if len(looking) > 0:
        pick = torch.linspace(0, len(looking) - 1, min(CHECKED_ROWS, len(looking)))
        rows = torch.unique(looking[pick.round().long().to(looking.device)])
        weights, first = layer.rows(slice(0, layer.heads), rows)
        last = first + weights.shape[-1]
        values = value[:, first:last].float()
        grouped = weights.reshape(value.shape[0], groups * len(rows), last - first)
        expected = torch.bmm(grouped, values).view(layer.heads, len(rows), -1).transpose(0, 1)
        if call.finish is not None:
            expected = call.finish(expected.flatten(1).to(call.value.dtype)).float()
            tolerance *= PROJECTED
        given = output[rows].float().reshape(expected.shape)
        output_error = float((expected - given).abs().max())
        some = values[:, ::TOLERANCE_STRIDE]
        tolerance *= max(1.0, float(torch.linalg.vector_norm(some, torch.inf)))
        above = weights.sum(dim=-1) - 1
        # A sink takes its share, so that rows may only sum to less.
        off = above.clamp(min=0) if layer.sinks is not None else above.abs()
        row_sum_error = float(off.max())
        # Negated, so that NaN does not pass.
        if not (output_error <= tolerance and row_sum_error <= ROW_SUM_TOLERANCE):
            raise VerificationError(
                f"Layer {layer.name or '(the model itself)'} failed its check: max |weights @ v - output| is "
                f"{output_error:.2g}, allowed {tolerance:.2g}; row sums are off by {row_sum_error:.2g}.",
                "Its pattern is not shown because it would mislead; "
                "the weights may hold NaN, or the layer changes its scores in a way we do not know.",
            )
    provenance = Provenance(
        tier=call.tier,
        output_error=output_error,
        row_sum_error=row_sum_error,
        tolerance=tolerance,
        checked_rows=min(CHECKED_ROWS, len(looking)),
        flags=_flags(one or layer, call, padded=len(looking) < queries),
        mask=_mask_words(layer, keys),
        scale=call.scale,
        dtype=str(call.query.dtype).removeprefix("torch."),
    )
    return replace(layer, provenance=provenance)


def _mask_words(layer: RecordedLayer | WindowedLayer, keys: int) -> str:
    if isinstance(layer, WindowedLayer):
        return f"{layer.windows:,} windows of {layer.query.shape[2]:,}"
    return layer.mask.describe(keys)


def _rows_that_look(layer: RecordedLayer | WindowedLayer, queries: int) -> Tensor:
    """Rows that may look at something; padding rows may not, and their output is nobody's."""
    rows = torch.arange(queries, device=layer.query.device)
    if isinstance(layer, WindowedLayer):
        if layer.allowed is None:
            return rows
        every = (
            layer.windows,
            layer.allowed.shape[1],
            layer.query.shape[2],
            layer.allowed.shape[3],
        )
        return rows[layer.allowed.expand(every).any(dim=-1).any(dim=1).reshape(-1)]
    if isinstance(layer.mask, Spans):
        return rows[layer.mask.stop > layer.mask.start]
    return rows[layer.mask.matrix.any(dim=-1).any(dim=0)]


def _adds_keys(call: AttentionCall) -> bool:
    """Whether PyTorch's own attention may have added keys, which it does behind those of the input."""
    return (
        isinstance(call.module, nn.MultiheadAttention) and call.key.shape[2] > call.query.shape[2]
    )


def _flags(
    layer: RecordedLayer | WindowedLayer, call: AttentionCall, *, padded: bool
) -> tuple[str, ...]:
    """List what makes this pattern differ from textbook attention."""
    kv_heads = layer.key.shape[-3]
    usual = layer.query.shape[-1] ** -0.5
    flags = {
        f"grouped: {layer.heads} query heads share {kv_heads} key heads": kv_heads < layer.heads,
        f"scale {call.scale:.3g} instead of 1/sqrt(d)": abs(call.scale - usual) > 1e-6 * usual,
        "attention sinks: rows sum to less than 1": layer.sinks is not None,
        f"soft cap {layer.softcap}": layer.softcap is not None,
        "position bias": layer.bias is not None,
        f"sliding window {call.window}": call.window is not None,
        "padding rows look at nothing": padded,
        OWN_KEYS_LAST: _adds_keys(call),
    }
    return tuple(flag for flag, holds in flags.items() if holds)
