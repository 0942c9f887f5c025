"""All heads against all heads: how alike they look, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from viz.capture.stack import Stack
from viz.compare.aligned_units import Alignment, identical
from viz.compare.compared_side import Head
from viz.compare.head_rows import HeadRows, all_heads
from viz.compare.pairwise_divergence import Divergences
from viz.compare.row_sampling import at_least_one, spaced
from viz.errors import ShapeError
from viz.models.argument_checks import whole_number

# Pairs of heads times keys that are compared unless more is asked for: beyond it rows are left out, evenly.
# It takes about as long as a pass over the statistics of 144 heads at 512 tokens.
NUMBERS = 600_000_000

# However many heads there are, so many rows at least are compared.
LEAST_ROWS = 96

# What computing a row costs, in pairs of rows that are compared.
ROW_PAIRS = 16

# Pairs times cells up to which everything is computed in float64.
EXACT_NUMBERS = 20_000_000

# Weights that are held at a time.
BLOCK_NUMBERS = 1 << 24


@dataclass(frozen=True, slots=True)
class Similarity:
    """How far apart heads look: the mean over rows of their Jensen-Shannon divergence.

    Attributes:
        divergence: in nats, from 0 (every row is the same) to ln 2 = 0.693 (no row has any key in
            common); float64 [head, other head]; NaN where two heads never look in the same row.
        heads: layer and head of each row.
        other_heads: layer and head of each column.
        alone: whether both are the heads of one stack.
        rows: how many rows were compared, each over all of its keys.
        of: how many there are.
    """

    divergence: NDArray[np.float64]
    heads: tuple[Head, ...]
    other_heads: tuple[Head, ...]
    alone: bool
    rows: int
    of: int

    def __repr__(self) -> str:
        size = f"{len(self.heads)} x {len(self.other_heads)} heads"
        return f"Similarity({size}, {self.rows} of {self.of} rows)"


class Near(NamedTuple):
    """A head that looks like another, and how far from it, in nats."""

    layer: int
    head: int
    divergence: float


def similarity(
    stack: Stack,
    other: Stack | None = None,
    *,
    queries: Alignment | None = None,
    keys: Alignment | None = None,
    rows: int | Literal["all"] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Similarity:
    """Compare every head with every other one, or with every one of another stack.

    Rows are scaled to sum to 1, as SciPy does; those without weight (padding) are left out. What only
    one side has is a column where the other has no weight.

    Args:
        stack: whose heads.
        other: whose heads to compare them with; None for the same ones.
        queries: how the queries of both belong together; needed where they are not as many.
        keys: the same of the keys; that of the queries by default.
        rows: how many rows, at even distances; "all"; None for as many as take about as long as a
            pass over the statistics, at least 96. Rows that are compared are compared over all keys.
        progress: called with the share done, every second or so; may raise to cancel.

    Returns:
        Divergences exact to 2e-6 nats, of small inputs to 1e-12.

    Raises:
        ShapeError: the stacks do not fit each other, or the number of rows is none.

    Cost: heads^2 / 2 * rows * keys logarithms (heads * other heads of two stacks), in memory of a few
    blocks: about a second a core for 10^9.
    """
    first, second, candidates = _sides(stack, other, queries, keys)
    return _compared(first, second, candidates, rows, progress)


def like(
    stack: Stack,
    layer: int,
    head: int,
    *,
    progress: Callable[[float], None] | None = None,
) -> Similarity:
    """Compare one head with every other head of its stack, in all rows; see `similarity`.

    Returns:
        Shape [1, head]; exact to 1e-12.

    Raises:
        ShapeError: there is no such layer or head.

    Cost: heads * n^2 logarithms.
    """
    stack.record_with(layer, head)
    everyone, _, candidates = _sides(stack, None, None, None)
    one = HeadRows(stack, ((layer, head),), everyone.rows, everyone.columns)
    found = _compared(one, everyone, candidates, "all", progress, exact=True)
    return Similarity(found.divergence, found.heads, found.other_heads, True, found.rows, found.of)


def similar_heads(found: Similarity, layer: int, head: int, count: int = 8) -> tuple[Near, ...]:
    """Return the heads that look most like one, the nearest first.

    Args:
        found: from `similarity`, or from `like` for this head.
        layer: of the first side's head.
        head: of the first side.
        count: how many at most.

    Raises:
        ShapeError: it was not compared.
    """
    wanted = (whole_number(layer, "layer"), whole_number(head, "head"))
    if wanted not in found.heads:
        raise ShapeError(
            f"Layer {layer} head {head} is not among the heads that were compared.",
            "Choose one of them, or compare it with viz.compare.like.",
        )
    divergence = found.divergence[found.heads.index(wanted)]
    near = []
    for place in np.argsort(divergence, kind="stable"):
        one = found.other_heads[place]
        if np.isfinite(divergence[place]) and not (found.alone and one == wanted):
            near.append(Near(one[0], one[1], float(divergence[place])))
    return tuple(near[:count])


def _sides(
    stack: Stack, other: Stack | None, queries: Alignment | None, keys: Alignment | None
) -> tuple[HeadRows, HeadRows | None, list[int]]:
    """Lay both sides out in common units; the last are the rows that both have."""
    if other is None:
        alone = identical(stack.queries).first
        return HeadRows(stack, all_heads(stack), alone, None), None, list(range(len(alone)))
    rows = queries or _same(stack, other, "queries")
    if keys is None and all(one.queries == one.keys for one in (stack, other)):
        keys = queries
    columns = keys or _same(stack, other, "keys")
    candidates = [int(number) for number in np.flatnonzero(rows.paired)]
    if not candidates:
        raise ShapeError(
            "No row of one side has a partner on the other.",
            "Align other texts, or pair their units yourself.",
        )
    first, second = (
        HeadRows(side, all_heads(side), getattr(rows, name), getattr(columns, name))
        for side, name in ((stack, "first"), (other, "second"))
    )
    return first, second, candidates


def _same(stack: Stack, other: Stack, what: Literal["queries", "keys"]) -> Alignment:
    """Align units one by one, where there are as many."""
    own, theirs = getattr(stack, what), getattr(other, what)
    if len(own) != len(theirs):
        raise ShapeError(
            f"One side has {len(own)} {what} and the other {len(theirs)}.",
            "Say what belongs together: pass the alignment of both.",
        )
    return identical(own)


def _compared(
    first: HeadRows,
    second: HeadRows | None,
    candidates: list[int],
    rows: int | Literal["all"] | None,
    progress: Callable[[float], None] | None,
    *,
    exact: bool = False,
) -> Similarity:
    others = first.heads if second is None else second.heads
    pairs = len(first.heads) * len(others) // (2 if second is None else 1)
    # Computing a row of weights costs about as much as comparing it with so many.
    taken = pairs + ROW_PAIRS * (len(first.heads) + (0 if second is None else len(others)))
    most = _count(rows, taken * first.width, len(candidates))
    chosen = [candidates[place] for place in spaced(len(candidates), most)]
    exact = exact or pairs * first.width * len(chosen) <= EXACT_NUMBERS
    device = first.stack.record(0).tensors[0].device
    total = Divergences(
        len(first.heads),
        None if second is None else len(others),
        dtype=torch.float64 if exact else torch.float32,
        device=device,
    )
    held = first.largest + (0 if second is None else second.largest)
    size = max(1, BLOCK_NUMBERS // held)
    for at in range(0, len(chosen), size):
        block = chosen[at : at + size]

        def tell(share: float, at: int = at, rows: int = len(block)) -> None:
            if progress is not None:
                progress((at + share * rows) / len(chosen))

        tell(0.0)
        total.add(first.of(block), None if second is None else second.of(block).to(device), tell)
    return Similarity(
        divergence=total.means().cpu().numpy(),
        heads=first.heads,
        other_heads=others,
        alone=second is None,
        rows=len(chosen),
        of=len(candidates),
    )


def _count(rows: int | Literal["all"] | None, numbers: int, most: int) -> int:
    """Say how many rows to compare, of which one takes so many numbers."""
    if rows == "all":
        return most
    if rows is None:
        return min(most, max(LEAST_ROWS, NUMBERS // max(1, numbers)))
    return min(most, at_least_one(rows))
