"""Where the rows of one tensor stand in another: how windows and padding are undone.

Before they attend within windows, models pad, roll and cut their tokens. None of that changes a row,
so that its numbers tell which token it is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Outputs to look back at: what a part was given was some layer norm's output a few calls ago.
LOOK_BACK = 12


class RecentOutputs:
    """Keeps what the last few modules returned, for as long as the context lasts."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.latest: deque[Tensor] = deque(maxlen=LOOK_BACK)
        self._handles: list[Any] = []

    def __enter__(self) -> RecentOutputs:
        owner = threading.get_ident()

        def keep(_module: nn.Module, _given: Any, output: Any) -> None:
            if threading.get_ident() != owner:
                return
            if isinstance(output, Tensor) and output.ndim >= 2 and output.is_floating_point():
                self.latest.appendleft(output)

        self._handles = [part.register_forward_hook(keep) for part in self.module.modules()]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self.latest.clear()


def source_of(rows: Tensor, recent: Iterable[Tensor]) -> tuple[Tensor, int] | None:
    """Find the latest output that rows were taken from.

    Args:
        rows: [.., channel].
        recent: outputs, the latest first.

    Returns:
        For each row its place in that output, -1 for rows of padding; and how many rows the output
        has. None where no output holds them, or where equal rows make it a guess.
    """
    flat = rows.reshape(-1, rows.shape[-1])
    for output in recent:
        if output.shape[-1] != flat.shape[-1]:
            continue
        whole = output.reshape(-1, output.shape[-1])
        places = _places(flat, whole)
        if places is not None:
            return places, len(whole)
    return None


def _places(rows: Tensor, whole: Tensor) -> Tensor | None:
    """Say where each row stands in the whole, every one of whose rows must occur, once."""
    if len(whole) > len(rows):
        return None
    if rows.shape == whole.shape and torch.equal(rows, whole):
        return torch.arange(len(rows))
    block = _block(rows, whole)
    if block is not None:
        return block
    known = {row: place for place, row in enumerate(_bytes(whole))}
    if len(known) < len(whole):
        return None
    places = torch.tensor([known.get(row, -1) for row in _bytes(rows)])
    kept = places[places >= 0]
    once = len(kept) == len(whole) == len(torch.unique(kept))
    return places if once else None


def _block(rows: Tensor, whole: Tensor) -> Tensor | None:
    """Find the whole as one run of the rows, as padding before and after leaves it."""
    for start in (rows == whole[0]).all(dim=1).nonzero()[:, 0].tolist():
        if torch.equal(rows[start : start + len(whole)], whole):
            places = torch.full((len(rows),), -1)
            places[start : start + len(whole)] = torch.arange(len(whole))
            return places
    return None


def _bytes(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.detach().float().cpu().numpy()]
