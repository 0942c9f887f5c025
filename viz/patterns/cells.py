"""Single cells of a pattern: exact by what is known of their rows, whatever else the rows hold."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from viz.capture.layers.mask import Dense, Spans
from viz.capture.layers.recorded_layer import RecordedLayer


def scores(layer: RecordedLayer, heads: slice, rows: Tensor, first: int, last: int) -> Tensor:
    """Compute what softmax takes of a block: capped, biased, -inf where a query may not look.

    Args:
        layer: whose queries and keys.
        heads: a run of them.
        rows: queries.
        first: key at which the block starts.
        last: key before which it ends.

    Returns:
        Shape [head, row, key], float32.
    """
    count = heads.stop - heads.start
    query = layer.query[heads][:, rows].float() * layer.scale
    key = layer.key[key_heads(layer, heads), first:last].float()
    block = torch.bmm(query, key.transpose(1, 2))
    if layer.softcap is not None:
        block = torch.tanh_(block.div_(layer.softcap)).mul_(layer.softcap)
    if layer.bias is not None:
        bias = layer.bias[..., first:last]
        bias = bias[:, rows] if bias.shape[1] > 1 else bias
        block.add_(bias if len(bias) == 1 else bias[heads])
    for start, stop in layer.mask.ragged(rows, first, last):
        allowed = layer.mask.allowed(rows, start, stop)
        allowed = allowed if len(allowed) == 1 else allowed[heads]
        part = block[..., start - first : stop - first]
        part.masked_fill_(~allowed.expand(count, -1, -1), -math.inf)
    return block


def cells(
    layer: RecordedLayer, heads: slice, rows: Tensor, first: int, last: int, totals: Tensor
) -> Tensor:
    """Compute a block of weights from the log-sum-exp of its rows; see `log_cells`."""
    return log_cells(layer, heads, rows, first, last, totals).exp_()


def log_cells(
    layer: RecordedLayer, heads: slice, rows: Tensor, first: int, last: int, totals: Tensor
) -> Tensor:
    """Compute the logarithms of a block of weights, -inf where a query may not look; see `scores`.

    Args:
        totals: of these heads and all queries, [head, query], sinks included.
    """
    return _logs(scores(layer, heads, rows, first, last), totals[:, rows, None])


def diagonal(layer: RecordedLayer, heads: slice, offset: int, totals: Tensor) -> Tensor:
    """Compute the weight of each query on the key that stands beside it, where there is one.

    Args:
        layer: whose queries and keys.
        heads: a run of them.
        offset: the key of query i is i + offset.
        totals: of these heads and all queries, [head, query], sinks included.

    Returns:
        Shape [head, query], float32.
    """
    queries, keys = layer.shape
    weights = torch.zeros(heads.stop - heads.start, queries, device=layer.query.device)
    start, stop = max(0, -offset), max(0, -offset, min(queries, keys - offset))
    rows = torch.arange(start, stop, device=layer.query.device)
    at = rows + offset
    query = layer.query[heads][:, start:stop].float()
    key = layer.key[:, start + offset : stop + offset].float()[key_heads(layer, heads)]
    score = torch.linalg.vecdot(query, key) * layer.scale
    if layer.softcap is not None:
        score = torch.tanh(score / layer.softcap) * layer.softcap
    if layer.bias is not None:
        bias = layer.bias if len(layer.bias) == 1 else layer.bias[heads]
        score = score + (bias[:, rows, at] if bias.shape[1] > 1 else bias[:, 0, at])
    if isinstance(layer.mask, Spans):
        allowed = ((at >= layer.mask.start[rows]) & (at < layer.mask.stop[rows]))[None]
    else:
        matrix = layer.mask.matrix
        allowed = (matrix if len(matrix) == 1 else matrix[heads])[:, rows, at]
    score = score.masked_fill(~allowed, -math.inf)
    weights[:, start:stop] = _logs(score, totals[:, start:stop]).exp_()
    return weights


def with_sinks(layer: RecordedLayer, heads: slice, rows: Tensor, totals: Tensor) -> Tensor:
    """Let a sink take part in the sum of exponentials, [head, row] as given."""
    if layer.sinks is None:
        return totals
    sinks = layer.sinks[heads].float()
    return torch.logaddexp(totals, sinks[:, None] if sinks.ndim == 1 else sinks[:, rows])


def part_of(layer: RecordedLayer, heads: slice) -> RecordedLayer:
    """Take a run of heads for a layer of its own, each with a key head of its own."""
    mask = layer.mask
    if isinstance(mask, Dense) and len(mask.matrix) > 1:
        mask = Dense(mask.matrix[heads])
    return replace(
        layer,
        query=layer.query[heads],
        key=layer.key[key_heads(layer, heads)],
        mask=mask,
        bias=layer.bias if layer.bias is None or len(layer.bias) == 1 else layer.bias[heads],
        sinks=None if layer.sinks is None else layer.sinks[heads],
    )


def key_heads(layer: RecordedLayer, heads: slice) -> Tensor:
    """Say which key head each of a run of heads looks at."""
    groups = layer.heads // layer.key.shape[0]
    return torch.arange(heads.start, heads.stop, device=layer.key.device) // groups


def _logs(score: Tensor, totals: Tensor) -> Tensor:
    """Turn scores into logarithms of weights, in place; rows that look at nothing have none."""
    return score.sub_(totals.clamp(min=torch.finfo(torch.float32).min))
