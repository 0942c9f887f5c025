"""The heaviest weights of a head, as a table."""

from __future__ import annotations

import pandas as pd
import torch

from viz.capture.layers.recorded_layer import blocks
from viz.capture.stack import Stack


def strongest_edges(
    stack: Stack,
    layer: int,
    head: int,
    count: int = 20,
    *,
    skip_special: bool = False,
    skip_key: int | None = None,
) -> pd.DataFrame:
    """List a head's largest weights, the largest first.

    Args:
        stack: what to look at.
        layer: from 0.
        head: from 0.
        count: at most so many rows.
        skip_special: leave out edges from or to special tokens.
        skip_key: leave out edges to one key, such as the sink.

    Returns:
        Columns query, query token, key, key token, weight; positions count from 0.

    Cost: n^2 * d, in blocks of rows.
    """
    record = stack.record(layer)
    queries, _ = record.shape
    device = record.tensors[0].device
    rows = torch.arange(queries, device=device)
    if skip_special:
        rows = rows[~torch.tensor(stack.queries.special, device=device)]
    hidden = torch.tensor(stack.keys.special, device=device) & skip_special
    if skip_key is not None:
        hidden[skip_key] = True
    found: list[tuple[float, int, int]] = []
    for block, weights, first in blocks(record, slice(head, head + 1), rows):
        open_weights = weights[0].masked_fill(hidden[first : first + weights.shape[-1]], 0.0)
        top = torch.topk(open_weights.flatten(), min(count, open_weights.numel()))
        for weight, place in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            row, column = divmod(place, weights.shape[-1])
            found.append((weight, int(block[row]), first + column))
        found = sorted(found, key=lambda edge: (-edge[0], edge[1], edge[2]))[:count]
    found = [edge for edge in found if edge[0] > 0]
    return pd.DataFrame(
        {
            "query": [query for _, query, _ in found],
            "query token": [stack.queries.labels[query] for _, query, _ in found],
            "key": [key for _, _, key in found],
            "key token": [stack.keys.labels[key] for _, _, key in found],
            "weight": [weight for weight, _, _ in found],
        }
    )
