"""What a trace keeps of one attention layer, and the exact weights that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from viz.attention_formula import attention_scores, weights_of
from viz.capture.layers.mask import Mask
from viz.capture.provenance import Provenance
from viz.inputs.units import counted

# Numbers in one block of weights (4 MB in float32): scores, softmax and what follows find them in a core's
# own cache.
BLOCK_NUMBERS = 1 << 20

# A GPU would only wait for the calls of so small blocks.
GPU_NUMBERS = 1 << 23


class Layer(Protocol):
    """What every kind of layer answers, however its weights are kept."""

    @property
    def name(self) -> str:
        """Of the part that attends."""

    @property
    def provenance(self) -> Provenance:
        """How its weights were come by."""

    @property
    def heads(self) -> int:
        """How many heads look."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys."""

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights [head, row, key run], and the run's first key."""

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""


@runtime_checkable
class ElsewhereLayer(Layer, Protocol):
    """A layer whose numbers are in another process: weights are computed there."""

    def opened(self) -> Layer:
        """Bring its numbers here."""


def in_short(layer: Layer) -> str:
    """Say what a layer is in one line, and not the numbers that it holds."""
    queries, keys = layer.shape
    tier = layer.provenance.tier
    size = f"{counted(layer.heads, 'head')}, {queries} x {keys}"
    return f"{type(layer).__name__}({layer.name}: {size}, {tier})"


@dataclass(frozen=True, slots=True)
class RecordedLayer:
    """Queries and keys after rotary positions, and everything else that the softmax saw.

    Shapes: query [head, query, d]; key [kv_head, key, d]; bias [1 or head, 1 or query, key];
    sinks [head] or [head, query].
    """

    name: str
    query: Tensor
    key: Tensor
    scale: float
    mask: Mask
    bias: Tensor | None
    softcap: float | None
    sinks: Tensor | None
    provenance: Provenance

    __repr__ = in_short

    @property
    def heads(self) -> int:
        """How many heads look."""
        return int(self.query.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys."""
        return int(self.query.shape[1]), int(self.key.shape[1])

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        parts = [self.query, self.key, self.bias, self.sinks]
        return [part for part in parts if part is not None]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights for a run of heads.

        Returns:
            Weights [head, row, key run], float32, and the key at which the run starts; keys
            outside the run have weight 0.
        """
        weights, _, first = self.scored_rows(heads, rows)
        return weights, first

    def scored_rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, Tensor, int]:
        """Compute exact rows of weights, and the scores that they are the softmax of; see `rows`.

        Returns:
            Weights and scores [head, row, key run], float32, and the run's first key. A score is minus infinity where
            a query may not look.
        """
        first, last = self.mask.reach(rows)
        groups = self.heads // self.key.shape[0]
        kv_first, kv_last = heads.start // groups, -(-heads.stop // groups)
        # Of one group the wanted heads are computed, of several the whole groups, and these taken.
        whole = heads if kv_last - kv_first == 1 else slice(kv_first * groups, kv_last * groups)
        bias = None if self.bias is None else _for_heads(self.bias, whole)[..., first:last]
        if bias is not None and bias.shape[1] > 1:
            bias = bias[:, rows]
        hidden = []
        for start, stop in self.mask.ragged(rows, first, last):
            allowed = _for_heads(self.mask.allowed(rows, start, stop), whole)
            hidden.append((slice(start - first, stop - first), ~allowed))
        scores = attention_scores(
            self.query[whole][:, rows],
            self.key[kv_first:kv_last, first:last],
            scale=self.scale,
            hidden=hidden,
            bias=bias,
            softcap=self.softcap,
        )
        weights = weights_of(scores, sinks=self._sinks(whole, rows), all_allowed=not hidden)
        wanted = slice(heads.start - whole.start, heads.stop - whole.start)
        return weights[wanted], scores[wanted], first

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""
        return self.mask.allowed(rows, 0, self.shape[1])

    def _sinks(self, heads: slice, rows: Tensor) -> Tensor | None:
        if self.sinks is None:
            return None
        return self.sinks[heads] if self.sinks.ndim == 1 else self.sinks[heads][:, rows]


@dataclass(frozen=True, slots=True)
class ReportedLayer:
    """Weights as the model itself reported them, for models outside the registry.

    Shape: weights [head, query, key].
    """

    name: str
    weights: Tensor
    provenance: Provenance

    __repr__ = in_short

    @property
    def heads(self) -> int:
        """How many heads look."""
        return int(self.weights.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys."""
        return int(self.weights.shape[1]), int(self.weights.shape[2])

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        return [self.weights]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Take rows of weights out of what was reported; see `RecordedLayer.rows`."""
        return self.weights[heads][:, rows].float(), 0

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys have any weight: of reported weights nothing else is known."""
        return self.weights[:, rows] > 0


def blocks(layer: Layer, heads: slice, rows: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Walk through exact weights in blocks of rows, in memory that grows with the keys only.

    Yields:
        The rows of the block, their weights [head, row, key run] and the run's first key.
    """
    for block in _split(layer, heads, rows):
        weights, first = layer.rows(heads, block)
        yield block, weights, first


def scored_blocks(
    layer: Layer, heads: slice, rows: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor | None, int]]:
    """Walk through exact weights as `blocks` does, beside the scores that they are the softmax of.

    Yields:
        The rows of the block, their weights [head, row, key run], their scores, None of a layer that keeps weights
        alone, and the run's first key.
    """
    for block in _split(layer, heads, rows):
        if isinstance(layer, RecordedLayer):
            weights, scores, first = layer.scored_rows(heads, block)
            yield block, weights, scores, first
        else:
            weights, first = layer.rows(heads, block)
            yield block, weights, None, first


def _split(layer: Layer, heads: slice, rows: Tensor) -> Sequence[Tensor]:
    """Cut rows into blocks of about as many weights as are best computed at a time."""
    each = max(1, heads.stop - heads.start) * max(1, layer.shape[1])
    return torch.split(rows, max(1, block_numbers(layer) // each))


def block_numbers(layer: Layer) -> int:
    """Say how many weights of a layer are best computed at a time."""
    return BLOCK_NUMBERS if layer.tensors[0].device.type == "cpu" else GPU_NUMBERS


def _for_heads(tensor: Tensor, heads: slice) -> Tensor:
    """Take a run of heads, or leave what all heads share."""
    return tensor if tensor.shape[0] == 1 else tensor[heads]
