"""The Jensen-Shannon divergence of every row of many heads with the same row of many others.

With rows halved, a = p / 2 and b = q / 2, and X(z) = sum z log z,

    JS(p, q) = X(2a) / 2 + X(2b) / 2 - X(a + b),

so that of a pair one sum alone has to be computed, over cells where either looks. Where q has no weight
at all, this is X(p) / 2 - X(p / 2) = ln 2 / 2, which is taken off: such a row is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

# Heads and cells of a block of pairs: 131,072 numbers stay in a core's own cache (measured: half the
# time of one head against all others at once).
HEADS, CELLS = 16, 512

# A GPU wants more at once.
GPU_HEADS, GPU_CELLS = 64, 4_096

# What a cell without weight counts as: nothing, and its logarithm is a number.
NOTHING = 1e-30


class Divergences:
    """Sums of divergences over rows, taken in block by block.

    Args:
        first: heads of the first side.
        second: heads of the second side; None where they are the first ones again.
        dtype: of the sums within a block; float64 is exact to 1e-12, float32 to 2e-6.
        device: where rows come from.
    """

    def __init__(
        self, first: int, second: int | None, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._alone = second is None
        self._dtype = dtype
        shape = (first, first if second is None else second)
        self._sums = torch.zeros(shape, dtype=torch.float64, device=device)
        self._rows = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, first: Tensor, second: Tensor | None, tell: Callable[[float], None]) -> None:
        """Take in weights [head, row, column] of the same rows and columns; second None if alone.

        `tell` hears of the share that is done; it may raise to cancel.
        """
        a, looks = _halved(first, self._dtype)
        b, others = (a, looks) if second is None else _halved(second, self._dtype)
        used = (a > 0).any(dim=0)
        if not self._alone:
            used |= (b > 0).any(dim=0)
        self._rows += looks @ others.T
        if not bool(used.any()):
            return
        a = a[:, used].clamp_(min=NOTHING)
        own, others_own, mixed = _sums(
            a, None if self._alone else b[:, used].clamp_(min=NOTHING), tell
        )
        one_alone = looks @ (1 - others).T + (1 - looks) @ others.T
        self._sums += own[:, None] + others_own - mixed - math.log(2) / 2 * one_alone

    def means(self) -> Tensor:
        """Return the mean over rows in which both look; NaN where there is none; [head, head]."""
        means = (self._sums / self._rows.clamp(min=1)).clamp(0.0, math.log(2))
        means[self._rows == 0] = math.nan
        if self._alone:
            upper = means.triu(1)
            means = upper + upper.T + torch.diag(means.diagonal() * 0.0)
        return means


def _halved(weights: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Scale rows to sum to 1/2, and say which have any weight, as 0.0 or 1.0."""
    weights = weights.to(dtype)
    sums = weights.sum(dim=-1)
    looks = sums > 0
    halves = weights / torch.where(looks, 2 * sums, 1.0)[..., None]
    return halves, looks.double()


def _block(rows: Tensor) -> tuple[int, int]:
    return (HEADS, CELLS) if rows.device.type == "cpu" else (GPU_HEADS, GPU_CELLS)


def _threads(rows: Tensor) -> int:
    """Say how many threads work; a GPU is kept busy by one."""
    return torch.get_num_threads() if rows.device.type == "cpu" else 1


def _sums(
    a: Tensor, b: Tensor | None, tell: Callable[[float], None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over cells what each head of a has alone, each of b, and every pair together; float64.

    Cells are cut into chunks, and threads take whole chunks: where each operation was split over the
    threads instead, they waited for each other thousands of times a second, on busy machines most of
    the time.
    """
    _, cells = _block(a)
    starts = range(0, a.shape[1], cells)

    def work(at: int) -> tuple[Tensor, Tensor, Tensor]:
        one = a[:, at : at + cells].contiguous()
        other = None if b is None else b[:, at : at + cells].contiguous()
        own = _own(one)
        return own, own if other is None else _own(other), _mixed(one, other)

    pool = ThreadPoolExecutor(_threads(a), initializer=_one_core)
    try:
        parts = pool.map(work, starts)
        own, others, mixed = next(parts)
        for number, part in enumerate(parts, 1):
            tell(number / len(starts))
            own, others, mixed = own + part[0], others + part[1], mixed + part[2]
    finally:
        pool.shutdown(cancel_futures=True)
    return own, others, mixed


def _one_core() -> None:
    """Let a thread that was made for this do its operations by itself."""
    threadpool_limits(1, user_api="openmp")


def _own(rows: Tensor) -> Tensor:
    """Sum 2z log 2z / 2 of each head's cells: summed as pairs are, so that like heads differ by 0."""
    twice = rows + rows
    return twice.log().mul_(twice).sum(dim=-1).double() / 2


def _mixed(a: Tensor, b: Tensor | None) -> Tensor:
    """Sum (a + b) log (a + b) over cells, of every head of a with every one of b; float64.

    Where b is None, only blocks of pairs of a on and above the diagonal are computed.
    """
    heads, cells = _block(a)
    other = a if b is None else b
    out = torch.zeros(len(a), len(other), dtype=torch.float64, device=a.device)
    sums, logs = a.new_empty(2, heads * heads * cells)
    for i in range(0, len(a), heads):
        down = a[i : i + heads, None]
        for j in range(i if b is None else 0, len(other), heads):
            across = other[None, j : j + heads]
            shape = (down.shape[0], across.shape[1], a.shape[1])
            size = math.prod(shape)
            mixed, log = sums[:size].view(shape), logs[:size].view(shape)
            torch.add(down, across, out=mixed)
            torch.log(mixed, out=log)
            out[i : i + heads, j : j + heads] = log.mul_(mixed).sum(dim=-1)
    return out
