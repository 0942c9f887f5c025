"""Where one query of a picture looks, in every head at once."""

from __future__ import annotations

import math

import numpy as np
import torch

from viz.capture.stack import Stack
from viz.inputs.units import Grid
from viz.patterns.head_overview import THUMBNAIL_BYTES, Thumbnails


def glances(stack: Stack, query: int, grid: Grid) -> Thumbnails:
    """Draw small what one query puts on each patch, for every head, exactly.

    Args:
        stack: whose heads.
        query: that looks.
        grid: how the keys lie.

    Returns:
        Pictures [patch row, patch column], each a share of the head's largest weight on a patch; more
        patches than fit the budget of small pictures are drawn together by their mean.

    Cost: one row of each head.
    """
    counts = [stack.heads(layer) for layer in range(stack.layers)]
    side = max(1, math.isqrt(THUMBNAIL_BYTES // (2 * sum(counts))))
    size = min(grid.rows, side), min(grid.columns, side)
    pictures = []
    for layer, heads in enumerate(counts):
        record = stack.record(layer)
        row = torch.tensor([query], device=record.tensors[0].device)
        weights, first = record.rows(slice(0, heads), row)
        whole = weights.new_zeros(heads, len(stack.keys))
        whole[:, first : first + weights.shape[-1]] = weights[:, 0]
        patches = whole[:, grid.before : grid.before + grid.rows * grid.columns]
        picture = patches.reshape(heads, grid.rows, grid.columns)
        if size != (grid.rows, grid.columns):
            picture = torch.nn.functional.adaptive_avg_pool2d(picture[None], size)[0]
        largest = picture.amax(dim=(1, 2), keepdim=True)
        picture = picture / largest.clamp(min=torch.finfo(torch.float32).tiny)
        pictures.append(picture.half().cpu().numpy())
    return Thumbnails(
        values=np.concatenate(pictures),
        layers=[layer for layer, heads in enumerate(counts) for _ in range(heads)],
        heads=[head for heads in counts for head in range(heads)],
        pooling="mean",
    )
