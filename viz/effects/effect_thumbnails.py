"""Small patterns of all heads as what their weights do, on one scale, so that heads can be compared at a glance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from viz.effects.effect_tiles import HeadPlace, blocks_of, pooled
from viz.effects.prediction_effects import Effects, WeightKind
from viz.patterns.head_overview import Thumbnails, thumbnail_side
from viz.patterns.tile_pyramid import BLOCK_NUMBERS


def effect_thumbnails(
    found: Effects,
    *,
    stack: str = "self",
    kind: WeightKind = "weight_gradient",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Thumbnails, float]:
    """Draw every head of a stack.

    Args:
        found: effects of a prediction.
        stack: which attention.
        kind: what is shown of each weight.
        progress: called with how many heads are done, and of how many; may raise to cancel.

    Returns:
        Pictures whose cells are the number furthest from 0 of those that each stands for, as shares of the largest of all
        heads, from -1 to 1; 0 where nothing may be looked at. And that largest number.

    Cost: queries * keys * d for each head.
    """
    own = found.trace.stacks[stack]
    places = [(layer, head) for layer in range(own.layers) for head in range(own.heads(layer))]
    longest = max(len(own.queries), len(own.keys))
    step = math.ceil(longest / thumbnail_side(len(places), longest))
    rows, columns = range(len(own.queries)), range(len(own.keys))
    tall = max(step, BLOCK_NUMBERS // len(columns) // step * step)
    pictures = []
    for done, (layer, head) in enumerate(places, start=1):
        place = HeadPlace(kind, layer, head, stack)
        parts = [
            pooled(block, step, "max") for block in blocks_of(found, place, rows, columns, tall)
        ]
        pictures.append(torch.cat(parts).nan_to_num())
        if progress is not None:
            progress(done, len(places))
    whole = torch.stack(pictures)
    largest = float(whole.abs().max()) or 1.0
    values = (whole / largest).numpy().astype(np.float16)
    layers, heads = (list(one) for one in zip(*places, strict=True))
    return Thumbnails(values, layers, heads), largest
