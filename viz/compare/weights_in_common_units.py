"""Weights moved from a side's own units to common ones, so that rows still sum to what they did."""

from __future__ import annotations

import torch
from torch import Tensor

from viz.compare.aligned_units import Groups


def move(weights: Tensor, rows: Groups, columns: Groups) -> Tensor:
    """Sum weights over the keys and average them over the queries of each common unit.

    Args:
        weights: [..., query, key].
        rows: the queries of each common unit; empty where it has none.
        columns: the keys of each common unit.

    Returns:
        Shape [..., common row, common column], of the dtype that came; 0 where a side has no units.
    """
    numbers = [number for group in rows for number in group]
    return moved_rows(weights[..., numbers, :], rows, columns)


def moved_rows(weights: Tensor, queries: Groups, keys: Groups) -> Tensor:
    """Move rows to common units: sums over keys, means over queries.

    Args:
        weights: of the queries of all groups, one group after the other, [..., query, key].
        queries: the groups, of which an empty one has no rows.
        keys: the keys of each common unit.

    Returns:
        Shape [..., common row, common column].
    """
    by_key = gathered(weights, keys)
    sizes = torch.tensor([len(group) for group in queries], device=weights.device)
    place = torch.repeat_interleave(torch.arange(len(queries), device=weights.device), sizes)
    out = by_key.new_zeros(*by_key.shape[:-2], len(queries), len(keys))
    out.index_add_(-2, place, by_key)
    return out / sizes.clamp(min=1)[:, None]


def gathered(values: Tensor, groups: Groups) -> Tensor:
    """Sum the last dimension over groups of its places; no place is in two of them."""
    sizes = torch.tensor([len(group) for group in groups], dtype=torch.long)
    members = torch.tensor([number for group in groups for number in group], dtype=torch.long)
    place = torch.full((values.shape[-1],), len(groups))
    place[members] = torch.repeat_interleave(torch.arange(len(groups)), sizes)
    place = place.to(values.device)
    out = values.new_zeros(*values.shape[:-1], len(groups) + 1)
    return out.index_add_(-1, place, values)[..., :-1]
