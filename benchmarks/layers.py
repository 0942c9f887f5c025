"""Random layers of any size, for measuring what a layer costs."""

from __future__ import annotations

import torch

from viz.capture.layers.mask import causal, full
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.verification import UNVERIFIED


def random_layer(
    heads: int,
    tokens: int,
    width: int,
    *,
    looks_ahead: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> RecordedLayer:
    """Make queries and keys of noise."""
    generator = torch.Generator().manual_seed(0)
    query, key = (
        torch.randn(heads, tokens, width, generator=generator).to(device, dtype) for _ in range(2)
    )
    place = torch.device(device)
    return RecordedLayer(
        name="noise",
        query=query,
        key=key,
        scale=width**-0.5,
        mask=full(tokens, tokens, place) if looks_ahead else causal(tokens, place),
        bias=None,
        softcap=None,
        sinks=None,
        provenance=UNVERIFIED,
    )
