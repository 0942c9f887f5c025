"""A run of attention layers of one kind, asked for exact weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.layers.blockwise_weights import buffer_for, read_into
from viz.capture.layers.recorded_layer import ElsewhereLayer, Layer
from viz.capture.provenance import Provenance
from viz.errors import ShapeError
from viz.inputs.units import Units, counted
from viz.models.argument_checks import kind_of_value, whole_number

Index = slice | Sequence[int] | Tensor | None


@dataclass(frozen=True, slots=True)
class Stack:
    """Attention layers of one kind, which share their queries and keys."""

    name: str
    records: tuple[Layer, ...]
    queries: Units
    keys: Units

    def __repr__(self) -> str:
        return f"Stack({self.summary()})"

    def summary(self) -> str:
        """Say its size in one line."""
        heads = [record.heads for record in self.records]
        fewest, most = min(heads), counted(max(heads), "head")
        each = most if fewest == max(heads) else f"{fewest} to {most}"
        alike = self.queries.kind == self.keys.kind
        rows = str(len(self.queries)) if alike else self.queries.counted()
        size = f"{rows} x {self.keys.counted()}"
        return f"{self.name}: {counted(self.layers, 'layer')} x {each}, {size}"

    @property
    def layers(self) -> int:
        """How many attention layers."""
        return len(self.records)

    @property
    def aligned(self) -> bool:
        """Whether queries stand among the keys, so that a distance between them means something.

        Texts that a model writes stand at the end of theirs; a layer's own globals follow its keys.
        """
        if "cross" in self.name or self.queries.kind != self.keys.kind:
            return False
        count, own = len(self.queries), self.queries.labels
        beyond = self.keys.special[count:]
        return own == self.keys.labels[-count:] or (own == self.keys.labels[:count] and all(beyond))

    @property
    def first_query(self) -> int:
        """Where the first query of an aligned stack stands among its keys: a text that is written ends its own."""
        count = len(self.queries)
        begins = self.queries.labels == self.keys.labels[:count]
        return 0 if begins else len(self.keys) - count

    def heads(self, layer: int) -> int:
        """How many heads a layer has; layers may differ."""
        return self._kept(layer).heads

    def record(self, layer: int) -> Layer:
        """Return what was kept of a layer, with its numbers.

        Raises:
            ShapeError: there is no such layer.
        """
        kept = self._kept(layer)
        return kept.opened() if isinstance(kept, ElsewhereLayer) else kept

    def _kept(self, layer: int) -> Layer:
        """Return a layer as it is kept, here or elsewhere."""
        layer = whole_number(layer, "layer")
        if not 0 <= layer < len(self.records):
            raise ShapeError(
                f"There is no layer {layer}; this model's layers go from 0 to {self.layers - 1}.",
                "Choose one of them.",
            )
        return self.records[layer]

    def weights(
        self,
        layer: int,
        head: int | None = None,
        rows: Index = None,
        columns: Index = None,
        *,
        dtype: torch.dtype | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Compute exact attention weights of one head, or of all heads of a layer at once.

        Args:
            layer: from 0.
            head: from 0; None for all, which is several times faster than one by one.
            rows: queries wanted; None for all.
            columns: keys wanted; None for all. Rows are normalised over all keys all the same.
            dtype: float32, or float16 for half the memory; that of `out`, else float32, by default.
            out: a tensor of the result's shape, dtype and device to write into, such as one that
                all layers share; what it holds is overwritten.

        Returns:
            Shape [query, key], or [head, query, key] of all heads, on the device of the trace; `out`
            if it was given. Rows sum to 1 over all keys, to less where the model has sinks, to 0 for
            padding.

        Raises:
            ShapeError: the layer, the head, a row or a column does not exist, or `out` does not fit.

        Cost: heads * rows * keys * d, in blocks of rows; memory for the result and one block.
        """
        record = self._kept(layer) if head is None else self._kept_with(layer, head)
        heads = slice(0, record.heads) if head is None else slice(int(head), int(head) + 1)
        queries, keys = record.shape
        device = record.tensors[0].device
        row_numbers = unit_numbers(rows, queries, "query", device)
        column_numbers = None if columns is None else unit_numbers(columns, keys, "key", device)
        wide = keys if column_numbers is None else len(column_numbers)
        shape: tuple[int, ...] = (len(row_numbers), wide)
        shape = (record.heads, *shape) if head is None else shape
        buffer = buffer_for(shape, device, dtype, out)
        read_into(
            buffer if head is None else buffer[None], record, heads, row_numbers, column_numbers
        )
        return buffer

    def attended(self, layer: int, head: int, rows: Index = None, columns: Index = None) -> Tensor:
        """Say which keys each query may look at, so that "not attended" is not taken for zero.

        Args:
            layer: from 0.
            head: from 0.
            rows: queries wanted; None for all.
            columns: keys wanted; None for all.

        Returns:
            Shape [query, key], bool. Of weights that the model only reported, a weight of exactly 0
            counts as not attended.

        Raises:
            ShapeError: the layer, the head, a row or a column does not exist.
        """
        record = self._kept_with(layer, head)
        device = record.tensors[0].device
        row_numbers = unit_numbers(rows, record.shape[0], "query", device)
        column_numbers = unit_numbers(columns, record.shape[1], "key", device)
        allowed = record.may_look(row_numbers)
        return allowed[min(head, len(allowed) - 1)][:, column_numbers]

    def provenance(self, layer: int) -> Provenance:
        """Say how a layer's weights were come by and what was checked."""
        return self._kept(layer).provenance

    def name_of(self, layer: int) -> str:
        """Return what the part of the model is called that a layer is of."""
        return self._kept(layer).name

    def record_with(self, layer: int, head: int) -> Layer:
        """Return what was kept of a layer that has a head of that number, as `record` does.

        Raises:
            ShapeError: there is no such layer, or no such head in it.
        """
        self._kept_with(layer, head)
        return self.record(layer)

    def _kept_with(self, layer: int, head: int) -> Layer:
        record = self._kept(layer)
        head = whole_number(head, "head")
        if not 0 <= head < record.heads:
            raise ShapeError(
                f"There is no head {head} in layer {layer}; its heads go from 0 to "
                f"{record.heads - 1}.",
                "Choose one of them.",
            )
        return record


class Stacks(dict[str, Stack]):
    """Stacks by name; one that is not there is said with those that are."""

    def __missing__(self, name: object) -> Stack:
        raise ShapeError(
            f"There is no stack {name!r:.60}; this trace has {', '.join(self)}.",
            "Choose one of them.",
        )


def unit_numbers(index: Index, count: int, what: str, device: torch.device) -> Tensor:
    """Turn any way to name rows or columns into their numbers.

    Raises:
        ShapeError: one of them is not there, or is no whole number.
    """
    if index is None:
        return torch.arange(count, device=device)
    try:
        if isinstance(index, slice):
            return torch.arange(count, device=device)[index]
        numbers = torch.as_tensor(index, device=device).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(
            f"No {what} is named by {index!r:.60}: {error}.",
            "Name them by whole numbers, in a list, a tensor or a slice that goes forwards.",
        ) from error
    if len(numbers) and (numbers.is_floating_point() or numbers.dtype == torch.bool):
        raise ShapeError(
            f"No {what} is named by {kind_of_value(numbers[0].item())}.",
            "Name them by whole numbers; of a mask, mask.nonzero() gives them.",
        )
    numbers = numbers.long()
    if len(numbers) and (int(numbers.min()) < 0 or int(numbers.max()) >= count):
        wrong = int(numbers[(numbers < 0) | (numbers >= count)][0])
        raise ShapeError(
            f"There is no {what} {wrong}; this text has {count}, counted from 0.",
            f"Name a {what} from 0 to {count - 1}.",
        )
    return numbers
