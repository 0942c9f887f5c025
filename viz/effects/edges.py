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
from viz.effects.target import is_whole
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
class HiddenKeys:
    """Keys that rows may no longer attend to, as a rule: at 32,768 tokens they would be 1 GB one by one.

    Attributes:
        columns: bool [key], whether a key is among them.
        before: only those that stand so many before their row; None for any.
        shift: where the first query stands among the keys.
    """

    columns: Tensor
    before: int | None = None
    shift: int = 0

    def of(self, rows: Tensor) -> Tensor:
        """Say which keys some rows may no longer attend to, bool [row, key]."""
        if self.before is None:
            return self.columns.expand(len(rows), -1)
        at = torch.arange(len(self.columns), device=self.columns.device)
        return self.columns & (at == rows[:, None] + (self.shift - self.before))


@dataclass(frozen=True, slots=True)
class EdgeEdit:
    """Edges of one call.

    Attributes:
        call: whose.
        record: of the layer.
        heads: which of the call's.
        rows: int64 [row].
        hidden: which keys.
        beside: other edges of the same call that are knocked out at once.
    """

    call: Call
    record: RecordedLayer
    heads: tuple[int, ...]
    rows: Tensor
    hidden: HiddenKeys
    beside: tuple[EdgeEdit, ...] = ()

    def output(self, call: AttentionCall, item: int) -> Tensor:
        """Compute what the heads of one item put out at the rows without the edges, [row, head, d].

        Cost: rows x keys x d for each head, in blocks of rows.
        """
        keys = self.record.shape[1]
        own = torch.tensor(self.heads, device=call.query.device)
        groups = call.query.shape[1] // call.key.shape[1]
        query = call.query[item, own]
        key = call.key[item, own // groups, :keys]
        values = call.value[item, own // groups, :keys].float()
        found = []
        for rows in torch.split(self.rows, max(1, BLOCK_NUMBERS // (len(own) * keys))):
            weights = self._weights(query, key, own, rows)
            found.append(torch.bmm(weights, values).transpose(0, 1))
        return torch.cat(found)

    def _weights(self, query: Tensor, key: Tensor, own: Tensor, rows: Tensor) -> Tensor:
        """Compute the weights that are left, [own head, row, key]."""
        record = self.record
        bias, sinks = record.bias, record.sinks
        allowed = record.mask.allowed(rows, 0, record.shape[1])
        allowed = (allowed if len(allowed) == 1 else allowed[own]) & ~self._hidden(own, rows)
        if bias is not None:
            bias = bias if bias.shape[1] == 1 else bias[:, rows]
        if sinks is not None:
            sinks = sinks[own] if sinks.ndim == 1 else sinks[own][:, rows]
        return attention_rows(
            query[:, rows],
            key,
            scale=record.scale,
            allowed=allowed,
            bias=bias if bias is None or len(bias) == 1 else bias[own],
            softcap=record.softcap,
            sinks=sinks,
        )

    def _hidden(self, own: Tensor, rows: Tensor) -> Tensor:
        """Say which keys some rows of some heads may not attend to, bool [1 or head, row, key]."""
        hidden = self.hidden.of(rows)[None]
        for other in self.beside:
            mine = torch.isin(own, torch.tensor(other.heads, device=own.device))[:, None, None]
            also = other.hidden.of(rows)[None] & torch.isin(rows, other.rows)[None, :, None]
            hidden = hidden | (also & mine)
        return hidden


def edge_edits(trace: Trace, edges: Edges) -> list[EdgeEdit]:
    """Find the calls that some edges belong to, and which cells of each they are.

    Raises:
        ShapeError: there is no such stack, layer, head, query or key.
        InputError: not a single weight is among them that a query may look at.
        CaptureError: a layer keeps something else than queries and keys.
    """
    if edges.stack not in trace.stacks:
        raise ShapeError(
            f"There is no stack {edges.stack!r}.", f"Choose one of {', '.join(trace.stacks)}."
        )
    stack = trace.stacks[edges.stack]
    device = stack.records[0].tensors[0].device
    for name in ("rows", "columns", "layers", "heads"):
        chosen = getattr(edges, name)
        if chosen is None or (isinstance(chosen, slice) and name in ("rows", "columns")):
            continue
        if isinstance(chosen, str) or not hasattr(chosen, "__len__"):
            raise InputError(f"{name} is {chosen!r:.60}.", f"Give a list or a range of {name}.")
        if len(chosen) == 0:
            raise InputError(f"The edges have no {name}.", f"Leave {name} out for all of them.")
    if edges.offset is not None and not is_whole(edges.offset):
        raise InputError(f"The offset is {edges.offset!r:.60}.", "Give a whole number of tokens.")
    rows = unit_numbers(edges.rows, len(stack.queries), "query", device)
    columns = unit_numbers(edges.columns, len(stack.keys), "key", device)
    if edges.offset is not None and not stack.aligned:
        raise ShapeError(
            f"In {edges.stack} queries do not stand among the keys, so none is {edges.offset} before them.",
            "Leave the offset out.",
        )
    among = torch.zeros(len(stack.keys), dtype=torch.bool, device=device)
    among[columns] = True
    hidden = HiddenKeys(among, edges.offset, len(stack.keys) - len(stack.queries))
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
        any_left = any_left or _any(record, rows, hidden)
        found.append(EdgeEdit(calls[edges.stack, layer], record, tuple(heads), rows, hidden))
    if not any_left:
        raise InputError(
            "None of the chosen weights is one that its query may look at; without them nothing changes.",
            "Choose keys that the rows attend to.",
        )
    return found


def _any(record: RecordedLayer, rows: Tensor, hidden: HiddenKeys) -> bool:
    """Whether any of some rows may attend to a key that is to be hidden from it."""
    blocks = torch.split(rows, max(1, BLOCK_NUMBERS // record.shape[1]))
    return any(bool((record.may_look(block) & hidden.of(block)).any()) for block in blocks)
