"""Calls on neighbouring pieces of one sequence, joined to the layer that they are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.tiers.registry import AttentionCall


def continues(call: AttentionCall, last: AttentionCall | None) -> bool:
    """Whether a call's queries and keys are what comes after those of the last one.

    Vision towers cut packed pictures into windows and attend piece by piece; the pieces are views of
    one tensor. The last call is still held, so that no other tensor can lie where its own does.
    """
    return (
        last is not None
        and call.module is last.module
        # With one head a piece, or several inputs, pieces may be heads or inputs as well.
        and call.query.shape[1] > 1
        and call.query.shape[0] == 1
        and _follows(call.query, last.query)
        and _follows(call.key, last.key)
    )


def joined(first: RecordedLayer, second: RecordedLayer) -> RecordedLayer | None:
    """Lay the pieces one after the other, none looking at another; None where no rule says so."""
    before, after = first.mask, second.mask
    plain = first.bias is None and second.bias is None and first.sinks is None
    if not (isinstance(before, Spans) and isinstance(after, Spans) and plain):
        return None
    keys = first.key.shape[1]
    mask = Spans(
        torch.cat([before.start, after.start + keys]), torch.cat([before.stop, after.stop + keys])
    )
    key = torch.cat([first.key, second.key], dim=1)
    return replace(
        first,
        query=torch.cat([first.query, second.query], dim=1),
        key=key,
        mask=mask,
        provenance=first.provenance.together(second.provenance, mask.describe(key.shape[1])),
    )


def _follows(tensor: Tensor, last: Tensor) -> bool:
    """Whether a tensor [batch, head, token, d] begins where the last one's tokens end."""
    return (
        tensor.untyped_storage().data_ptr() == last.untyped_storage().data_ptr()
        and tensor.stride() == last.stride()
        and tensor.shape[:2] == last.shape[:2]
        and tensor.storage_offset() == last.storage_offset() + last.shape[2] * last.stride(2)
    )
