"""Attention within windows: the batch of a call holds pieces of one input, each looking at itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from viz.attention_formula import attention_rows
from viz.capture.layers.recorded_layer import in_short
from viz.capture.provenance import Provenance


@dataclass(frozen=True, slots=True)
class WindowedLayer:
    """Queries and keys of every window, laid out one window after the other.

    The whole pattern is block diagonal: what lies in another window is not attended.

    Shapes: query [window, head, w, d]; key [window, kv_head, k, d]; allowed (bool) and bias
    [1 or window, 1 or head, w, k]; sinks [head].
    """

    name: str
    query: Tensor
    key: Tensor
    scale: float
    allowed: Tensor | None
    bias: Tensor | None
    softcap: float | None
    sinks: Tensor | None
    provenance: Provenance

    __repr__ = in_short

    @property
    def heads(self) -> int:
        """How many heads look."""
        return int(self.query.shape[1])

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return int(self.query.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys, all windows together."""
        return self.windows * int(self.query.shape[2]), self.windows * int(self.key.shape[2])

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        parts = [self.query, self.key, self.allowed, self.bias, self.sinks]
        return [part for part in parts if part is not None]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights; see `RecordedLayer.rows`."""
        wide, long = int(self.query.shape[2]), int(self.key.shape[2])
        window = torch.div(rows, wide, rounding_mode="floor")
        first, last = int(window.min()) * long, (int(window.max()) + 1) * long
        out = rows.new_zeros(heads.stop - heads.start, len(rows), last - first, dtype=torch.float32)
        for number in torch.unique(window).tolist():
            here = window == number
            start = number * long - first
            out[:, here, start : start + long] = self.window_rows(
                number, rows[here] - number * wide
            )[heads]
        return out, first

    def window_rows(self, number: int, rows: Tensor) -> Tensor:
        """Compute some rows of one window, all heads: [head, row, key of the window]."""
        return attention_rows(
            self.query[number][:, rows],
            self.key[number],
            scale=self.scale,
            allowed=_rows_of(self.allowed, number, rows),
            bias=_rows_of(self.bias, number, rows),
            softcap=self.softcap,
            sinks=self.sinks,
        )

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""
        wide, long = int(self.query.shape[2]), int(self.key.shape[2])
        window = torch.div(rows, wide, rounding_mode="floor")
        keys = torch.arange(self.windows * long, device=rows.device)
        same = torch.div(keys, long, rounding_mode="floor")[None] == window[:, None]
        if self.allowed is None:
            return same[None]
        inside = torch.stack(
            [
                self.allowed[min(number, len(self.allowed) - 1)]
                .expand(-1, wide, -1)[:, row]
                .repeat(1, self.windows)
                for number, row in zip(
                    window.tolist(), (rows - window * wide).tolist(), strict=True
                )
            ],
            dim=1,
        )
        return same[None] & inside


@dataclass(frozen=True, slots=True)
class ReportedWindows:
    """Weights within windows as the model itself returned them, one window after the other.

    Shape: weights [window, head, w, k].
    """

    name: str
    weights: Tensor
    provenance: Provenance

    __repr__ = in_short

    @property
    def heads(self) -> int:
        """How many heads look."""
        return int(self.weights.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys, all windows together."""
        windows, _, wide, long = self.weights.shape
        return windows * wide, windows * long

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        return [self.weights]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Take rows of weights out of what was reported; see `RecordedLayer.rows`."""
        _, _, wide, long = self.weights.shape
        window = torch.div(rows, wide, rounding_mode="floor")
        first, last = int(window.min()) * long, (int(window.max()) + 1) * long
        out = rows.new_zeros(heads.stop - heads.start, len(rows), last - first, dtype=torch.float32)
        for number in torch.unique(window).tolist():
            here = window == number
            start = number * long - first
            mine = self.weights[number, heads][:, rows[here] - number * wide]
            out[:, here, start : start + long] = mine.float()
        return out, first

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys have any weight: of reported weights nothing else is known."""
        weights, first = self.rows(slice(0, self.heads), rows)
        out = weights.new_zeros(self.heads, len(rows), self.shape[1], dtype=torch.bool)
        out[:, :, first : first + weights.shape[-1]] = weights > 0
        return out


def _rows_of(full: Tensor | None, number: int, rows: Tensor) -> Tensor | None:
    """Take one window's rows out of a [1 or window, 1 or head, 1 or w, k] tensor."""
    if full is None:
        return None
    one = full[min(number, full.shape[0] - 1)]
    return one if one.shape[1] == 1 else one[:, rows]
