"""Weights that are knocked out: a query may no longer attend to a key, and the others share what it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.attention_formula import attention_rows
from viz.capture.layers.recorded_layer import BLOCK_NUMBERS, RecordedLayer
from viz.capture.stack import unit_numbers
from viz.capture.tiers.registry import AttentionCall
from viz.capture.trace import Trace
from viz.effects.attention_calls import Call, calls_of
from viz.errors import CaptureError, InputError, ShapeError


@dataclass(frozen=True, slots=True)
class Edges:
    """Weights of some heads that are knocked out together, as if the mask forbade them.

    Attributes:
        rows: queries; all by default.
        columns: keys; all by default.
        offset: only keys that stand so many before their query, such as 1 for the token before; any by default.
        layers: all by default.
        heads: of each of these layers; all by default.
        stack: which attention.
    """

    rows: Sequence[int] | None = None
    columns: Sequence[int] | None = None
    offset: int | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    stack: str = "self"


@dataclass(frozen=True, slots=True)
class EdgeEdit:
    """Edges of one call.

    Shapes: rows int64 [row]; hidden bool [row, key]. heads lists which of the call's are meant.
    """

    call: Call
    record: RecordedLayer
    heads: tuple[int, ...]
    rows: Tensor
    hidden: Tensor

    def output(self, call: AttentionCall, item: int) -> Tensor:
        """Compute what the heads of one item put out at the rows without the edges, [row, head, d].

        Cost: rows x keys x d for each head, in blocks of rows.
        """
        keys = self.record.shape[1]
        query, key = call.query[item], call.key[item, :, :keys]
        values = call.value[item, :, :keys].float()
        groups = len(query) // len(key)
        own = torch.tensor(self.heads, device=query.device)
        values = values[own // groups]
        found = []
        size = max(1, BLOCK_NUMBERS // (len(query) * keys))
        pieces = zip(torch.split(self.rows, size), torch.split(self.hidden, size), strict=True)
        for rows, hidden in pieces:
            weights = self._weights(query, key, rows, hidden)[own]
            found.append(torch.bmm(weights, values).transpose(0, 1))
        return torch.cat(found)

    def _weights(self, query: Tensor, key: Tensor, rows: Tensor, hidden: Tensor) -> Tensor:
        record = self.record
        bias, sinks = record.bias, record.sinks
        return attention_rows(
            query[:, rows],
            key,
            scale=record.scale,
            allowed=record.mask.allowed(rows, 0, record.shape[1]) & ~hidden,
            bias=bias if bias is None or bias.shape[1] == 1 else bias[:, rows],
            softcap=record.softcap,
            sinks=sinks if sinks is None or sinks.ndim == 1 else sinks[:, rows],
        )


def edge_edits(trace: Trace, edges: Edges) -> list[EdgeEdit]:
    """Find the calls that some edges belong to, and which cells of each they are.

    Raises:
        ShapeError: there is no such stack, layer, head, query or key.
        InputError: not a single weight is among them that a query may look at.
        CaptureError: a layer keeps something else than queries and keys.
    """
    stack = trace.stacks[edges.stack]
    device = stack.records[0].tensors[0].device
    rows = unit_numbers(edges.rows, len(stack.queries), "query", device)
    columns = unit_numbers(edges.columns, len(stack.keys), "key", device)
    hidden = torch.zeros(len(rows), len(stack.keys), dtype=torch.bool, device=device)
    hidden[:, columns] = True
    if edges.offset is not None:
        if not stack.aligned:
            raise ShapeError(
                f"In {edges.stack} queries do not stand among the keys, so none is {edges.offset} before them.",
                "Leave the offset out.",
            )
        at = torch.arange(len(stack.keys), device=device)
        shift = len(stack.keys) - len(stack.queries)
        hidden &= at == rows[:, None] + shift - edges.offset
    calls = calls_of(trace)
    found, any_left = [], False
    for layer in range(stack.layers) if edges.layers is None else edges.layers:
        record = stack.record(layer)
        if not isinstance(record, RecordedLayer):
            raise CaptureError(
                f"Layer {record.name} of {trace.model.name} is not one call of the kernel for one input, so its "
                "weights cannot be knocked out.",
                "Choose a model whose layers attend over whole texts.",
            )
        heads = range(record.heads) if edges.heads is None else edges.heads
        for head in heads:
            stack.record_with(layer, head)
        any_left |= bool((record.may_look(rows) & hidden).any())
        found.append(EdgeEdit(calls[edges.stack, layer], record, tuple(heads), rows, hidden))
    if not any_left:
        raise InputError(
            "None of the chosen weights is one that its query may look at; without them nothing changes.",
            "Choose keys that the rows attend to.",
        )
    return found
