"""Statistics of every head of a layer out of the fast kernel itself, in memory that grows with n.

Whatever is linear in a row of weights is one more call of the kernel, with other values in the place
of V. Keys give sum(w k), and with the kernel's log-sum-exp the entropy: H = lse - scale q . sum(w k).
Indicators of blocks of keys give the mean-pooled thumbnail, and positions within those blocks the
distance. Weights on one key of each row (the first, its own, the one before) are single dot products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from viz.capture.layers.mask import Dense, Spans
from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.patterns.blockwise import by_blocks
from viz.patterns.cells import cells, diagonal, key_heads, part_of, with_sinks
from viz.patterns.kernel_logsumexp import weighted_sums, working_dtype
from viz.patterns.max_pooling import pool_edges
from viz.patterns.row_statistics import (
    RowStatistics,
    block_count,
    block_of,
    joined,
    mean_thumbnail,
    pool_rows_into,
)

# Weights that one call of the kernel may stand for, so that it can be cancelled in between.
CALL_NUMBERS = 1 << 30
GPU_NUMBERS = 1 << 35

# Numbers of a mask that are written out at a time, where it is no rule that the kernel knows.
MASK_NUMBERS = 1 << 23

# Numbers of a block of weights beside the diagonal.
BLOCK_NUMBERS = 1 << 23


def row_statistics(
    layer: Layer, going: Callable[[], None] | None = None, *, side: int | None = None
) -> RowStatistics:
    """Compute the statistics of every row of every head of a layer, exactly.

    Args:
        layer: whose heads.
        going: called every second or so; may raise to cancel.
        side: rows and columns of the thumbnail, at most; as many as cost nothing by default.

    Cost: two calls of the fast kernel; where its formula is none that the kernel knows (soft caps,
    position biases, weights that a model made itself), one pass over blocks of weights.
    """
    tell = going or _nothing
    if not isinstance(layer, RecordedLayer) or not _is_linear(layer):
        return by_blocks(layer, tell, side)
    queries, keys = layer.shape
    most = CALL_NUMBERS if layer.query.device.type == "cpu" else GPU_NUMBERS
    at_once = max(1, most // (queries * keys))
    parts = []
    for start in range(0, layer.heads, at_once):
        tell()
        part = part_of(layer, slice(start, min(start + at_once, layer.heads)))
        parts.append(_by_kernel(part, side))
    return parts[0] if len(parts) == 1 else joined(parts)


def _nothing() -> None:
    """Go on."""


def _is_linear(layer: RecordedLayer) -> bool:
    """Whether the kernel computes this layer's scores, and the entropy is linear in them."""
    by_key = layer.bias is None or layer.bias.shape[1] == 1
    return layer.softcap is None and by_key and layer.query.shape[-1] == layer.key.shape[-1]


def _by_kernel(layer: RecordedLayer, side: int | None) -> RowStatistics:
    queries, keys = layer.shape
    everyone = slice(0, layer.heads)
    edges = pool_edges(keys, block_count(layer, side))
    device = layer.query.device
    totals = torch.empty(layer.heads, queries, device=device)
    mass, entropy, distance = (torch.empty_like(totals) for _ in range(3))
    thumbnail = torch.zeros(
        layer.heads, min(queries, block_count(layer, side)), len(edges) - 1, device=device
    )
    # A bias grows with the text, to thousands for ALiBi, of which half precision keeps no fractions.
    exact = layer.bias is not None
    dtype = torch.float32 if exact else working_dtype(layer.query, layer.key)
    key = layer.key[key_heads(layer, everyone)].to(dtype)
    behind = _looks_behind(layer)
    columns = [one.to(dtype) for one in _columns(edges, layer.query.shape[-1], device)]
    for rows, first, last, mask, is_causal in _runs(layer):
        query = layer.query[:, rows].to(dtype)
        values = [key[:, first:last]]
        values += [one[first:last].expand(layer.heads, -1, -1) for one in columns]
        if layer.bias is not None:
            values.append(_as_values(layer.bias[..., first:last], query))
        sums, own = weighted_sums(
            query, values[0], values, scale=layer.scale, is_causal=is_causal, mask=mask
        )
        at = slice(int(rows[0]), int(rows[-1]) + 1)
        totals[:, at] = with_sinks(layer, everyone, rows, own)
        mass[:, at] = share = torch.exp(own - totals[:, at]).nan_to_num_(0.0)
        score = torch.linalg.vecdot(query.float(), sums[0]) * layer.scale
        if layer.bias is not None:
            score += sums[-1][..., 0]
        entropy[:, at] = share * (totals[:, at].nan_to_num(neginf=0.0) - score)
        by_block = torch.cat(sums[1 : 1 + len(columns)], dim=-1) * share[..., None]
        in_block, places = by_block[..., : len(edges) - 1], by_block[..., len(edges) - 1 :]
        places = places[..., : len(edges) - 1]
        distance[:, at] = _far(in_block, places, rows + (keys - queries), edges, behind)
        pool_rows_into(thumbnail, in_block, rows, queries)
    if not behind:
        distance += _near(layer, totals, edges)
    every = torch.arange(queries, device=device)
    return RowStatistics(
        totals=totals,
        mass=mass,
        entropy=entropy.clamp_(min=0.0),
        distance=distance,
        first=cells(layer, everyone, every, 0, 1, totals)[..., 0],
        current=diagonal(layer, everyone, keys - queries, totals),
        previous=diagonal(layer, everyone, keys - queries - 1, totals),
        thumbnail=mean_thumbnail(thumbnail, queries, keys),
    )


def _runs(layer: RecordedLayer) -> Iterator[tuple[Tensor, int, int, Tensor | None, bool]]:
    """Cut queries into runs that one call each computes: rows, first and last key, mask, causal."""
    queries, keys = layer.shape
    everyone = torch.arange(queries, device=layer.query.device)
    rule = layer.mask
    if layer.bias is None and isinstance(rule, Spans) and bool((rule.start == 0).all()):
        if bool((rule.stop == keys).all()):
            yield everyone, 0, keys, None, False
            return
        if queries == keys and bool((rule.stop == everyone + 1).all()):
            yield everyone, 0, keys, None, True
            return
    heads = layer.heads if layer.bias is not None else 1
    if isinstance(rule, Dense):
        heads = max(heads, len(rule.matrix))
    for rows in torch.split(everyone, max(1, MASK_NUMBERS // (heads * keys))):
        first, last = rule.reach(rows)
        allowed = rule.allowed(rows, first, last)
        mask = torch.zeros(allowed.shape, device=allowed.device)
        mask = mask.masked_fill_(~allowed, -math.inf)
        if layer.bias is not None:
            mask = mask + layer.bias[..., first:last].float()
        yield rows, first, last, mask, False


def _columns(edges: list[int], width: int, device: torch.device) -> list[Tensor]:
    """Make values that tell blocks of keys apart, and places within them from their middles.

    Returns:
        As many as are needed, each [key, d]: first an indicator of each block, then the places.
    """
    keys, count = edges[-1], len(edges) - 1
    block = block_of(edges, device)
    at = torch.arange(keys, device=device)
    values = torch.zeros(keys, 2 * count, device=device)
    values[at, block] = 1.0
    values[at, count + block] = at - _middles(edges, device)[block]
    short = -values.shape[1] % width
    return list(torch.split(torch.nn.functional.pad(values, (0, short)), width, dim=1))


def _middles(edges: list[int], device: torch.device) -> Tensor:
    bounds = torch.tensor(edges, device=device, dtype=torch.float32)
    return (bounds[:-1] + bounds[1:] - 1) / 2


def _as_values(bias: Tensor, query: Tensor) -> Tensor:
    """Lay a bias of the keys out as values, [head, key, d], of which the first dimension counts."""
    values = query.new_zeros(query.shape[0], bias.shape[-1], query.shape[-1])
    # Nothing is looked at where a bias forbids it; no weight times infinity is no number.
    values[..., 0] = bias[:, 0].nan_to_num(neginf=0.0)
    return values


def _looks_behind(layer: RecordedLayer) -> bool:
    """Whether no query looks at a later key."""
    queries, keys = layer.shape
    after = torch.arange(queries, device=layer.query.device) + (keys - queries) + 1
    return isinstance(layer.mask, Spans) and bool((layer.mask.stop <= after).all())


def _far(mass: Tensor, places: Tensor, at: Tensor, edges: list[int], behind: bool) -> Tensor:
    """Sum the distances to blocks that lie wholly before or after each query; [head, row].

    Args:
        mass: on each block, [head, row, block].
        places: of what is looked at, from the middle of its block, weighted; of the same shape.
        at: where each query stands among the keys.
        edges: of the blocks.
        behind: no query looks ahead, so that the block that it stands in lies before it too.
    """
    starts = torch.tensor(edges[:-1], device=at.device)
    stops = torch.tensor(edges[1:], device=at.device)
    before = at[:, None] >= (starts if behind else stops)
    side = before.float() - (at[:, None] < starts).float()
    signed = (at[:, None] - _middles(edges, at.device)) * mass - places
    return (signed * side).sum(dim=-1)


def _near(layer: RecordedLayer, totals: Tensor, edges: list[int]) -> Tensor:
    """Sum the distances within the block that each query stands in, of its weights; [head, query]."""
    queries, keys = layer.shape
    distance = torch.zeros_like(totals)
    for first, last in pairwise(edges):
        start, stop = first - (keys - queries), last - (keys - queries)
        if first == last or stop <= 0 or start >= queries:
            continue
        rows = torch.arange(max(0, start), min(queries, stop), device=totals.device)
        size = max(1, BLOCK_NUMBERS // (layer.heads * (last - first)))
        for part in torch.split(rows, size):
            weights = cells(layer, slice(0, layer.heads), part, first, last, totals)
            away = torch.arange(first, last, device=part.device) - (part + keys - queries)[:, None]
            distance[:, part] = (weights * away.abs()).sum(dim=-1)
    return distance
