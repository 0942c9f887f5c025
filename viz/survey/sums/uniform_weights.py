"""What a head would do that looks at all keys alike that its mask allows, and which layers have the same mask."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from viz.analysis.looking_rule import looking_rule
from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer

# Numbers of uniform weights that are written out at a time.
BLOCK_NUMBERS = 1 << 20


def allowed_blocks(layer: Layer, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk through a mask in blocks of rows: the rows, and which keys they may look at, bool [1 or head, row, key]."""
    may_look = looking_rule(layer)
    queries, keys = layer.shape
    rows = torch.arange(queries, device=device)
    for some in torch.split(rows, max(1, BLOCK_NUMBERS // max(1, keys))):
        yield some, may_look(some)


def alike(allowed: Tensor) -> Tensor:
    """Spread each row's weight over the keys that it may look at, float32 [1 or head, row, key]."""
    return allowed.float() / allowed.sum(dim=-1, keepdim=True).clamp_min(1)


def mask_key(layer: Layer) -> bytes | None:
    """Name a layer's mask by its content, where it is a rule of few numbers; None of any other."""
    if not isinstance(layer, RecordedLayer) or not isinstance(layer.mask, Spans):
        return None
    return torch.stack((layer.mask.start, layer.mask.stop)).cpu().numpy().tobytes()
