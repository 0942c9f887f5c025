"""Weights [head, query, key] as a whole matrix, or as what is attended of it (sparse, coalesced)."""

from __future__ import annotations

import torch
from torch import Tensor

from viz.capture.replay.replay import sparse

# A matrix of which one in so many places is attended is multiplied as a whole.
MOSTLY = 16

# Rows that are looked at before all are.
FEW_ROWS = 16


def row_sums(weights: Tensor) -> Tensor:
    """Add up the rows; [head, query]."""
    if not weights.is_sparse:
        return weights.sum(dim=-1)
    heads, queries, _ = weights.shape
    head, query, _ = weights.indices()
    sums = weights.values().new_zeros(heads * queries)
    return sums.index_add_(0, head * queries + query, weights.values()).view(heads, queries)


def least(weights: Tensor) -> float:
    """Return the least weight; -1 where there is none."""
    numbers = weights.values() if weights.is_sparse else weights
    return float(numbers.min()) if numbers.numel() else -1.0


def is_identity(weights: Tensor) -> bool:
    """Whether every query looks at its own key alone."""
    if weights.is_sparse:
        _, query, key = weights.indices()
        return bool((query == key).all())
    some = weights[:, :: -(-weights.shape[1] // FEW_ROWS)].clone()
    rows = torch.arange(0, weights.shape[1], -(-weights.shape[1] // FEW_ROWS))
    mine = rows < weights.shape[2]
    some[:, mine, rows[mine]] = 0
    if bool(some.any()):
        return False
    own = weights.diagonal(dim1=1, dim2=2).count_nonzero()
    return bool(own == weights.count_nonzero())


def apart(weights: Tensor, values: Tensor, output: Tensor) -> Tensor:
    """How far each row of an output is from weights @ v, at most.

    Shapes: values [key, kv_head * d], output [query, head * d]; returns [query].
    """
    heads, queries, keys = weights.shape
    d = output.shape[-1] // heads
    groups = heads * d // values.shape[1]
    by_head = output.view(len(output), heads, d)
    worst = torch.zeros(len(output), device=output.device)
    starts: list[int] = []
    if weights.is_sparse:
        head = weights.indices()[0]
        numbers = torch.arange(heads + 1, device=head.device)
        starts = torch.searchsorted(head, numbers).tolist()
    for number in range(heads):
        at = number // groups * d
        own = values[:, at : at + d]
        if weights.is_sparse:
            mine = slice(starts[number], starts[number + 1])
            expected = _product(weights, mine, (queries, keys), own)
        else:
            expected = weights[number] @ own
        worst = torch.maximum(worst, (expected - by_head[:, number]).abs().amax(dim=1))
    return worst


def _product(weights: Tensor, mine: slice, size: tuple[int, int], values: Tensor) -> Tensor:
    """Multiply one head's weights; where much is attended, a whole matrix is quicker than its places."""
    places, attended = weights.indices()[1:, mine], weights.values()[mine]
    if weights.values().numel() * MOSTLY > weights.numel():
        whole = attended.new_zeros(size)
        whole[tuple(places)] = attended
        return whole @ values
    kept = torch.sparse_coo_tensor(
        *(places, attended, size),
        is_coalesced=True,
        check_invariants=False,  # a part of what was checked
    )
    product: Tensor = torch.sparse.mm(kept, values)
    return product


def moved(weights: Tensor, down: Tensor, across: Tensor) -> Tensor | None:
    """Lay rows and columns out anew.

    Args:
        weights: as they are.
        down: of every row its new place, -1 for one that is left out; each place once.
        across: the same of every column.

    Returns:
        None where a row that stays looks at a column that is left out, or where places repeat or are
        left free.
    """
    if not (_is_order(down) and _is_order(across)):
        return None
    down, across = down.to(weights.device), across.to(weights.device)
    size = (len(weights), int(down.max()) + 1, int(across.max()) + 1)
    if weights.is_sparse:
        heads, rows, columns = weights.indices()
        rows, columns = down[rows], across[columns]
        kept = rows >= 0
        if bool((columns[kept] < 0).any()):
            return None
        places = torch.stack([heads[kept], rows[kept], columns[kept]])
        return sparse(places, weights.values()[kept], size)
    kept_rows = weights[:, _sources(down, size[1])]
    lost = across < 0
    if bool(lost.any()) and bool(kept_rows[..., lost].any()):
        return None
    return kept_rows[..., _sources(across, size[2])]


def _is_order(places: Tensor) -> bool:
    """Whether every place up to the last is taken, once."""
    kept = places[places >= 0].sort().values
    return torch.equal(kept, torch.arange(len(kept), device=kept.device))


def _sources(places: Tensor, count: int) -> Tensor:
    """Turn new places round: of each, where it was."""
    sources = torch.empty(count, dtype=torch.long, device=places.device)
    kept = places >= 0
    sources[places[kept]] = kept.nonzero()[:, 0]
    return sources
