"""Answers that speak of what a replica keeps, and the names for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from viz.capture.trace import Trace
from viz.service.ray.references import HeldResult, LayerReference, Reference


@dataclass(frozen=True, slots=True)
class NamedAnswer:
    """An answer, and names of what stays here of it.

    Attributes:
        value: the answer.
        names: by the identity of each object.
    """

    value: object
    names: Mapping[int, Reference]

    def name(self, obj: object) -> Reference | None:
        """Say what an object is called; None of what is sent itself."""
        # Pickle asks of every None, too, and there is one of it alone.
        return None if obj is None else self.names.get(id(obj))


def layer_names(trace: Trace, held: HeldResult) -> dict[int, Reference]:
    """Name every layer of a trace that is kept."""
    return {
        id(record): LayerReference(
            held, name, layer, record.name, record.heads, record.shape, record.provenance
        )
        for name, stack in trace.stacks.items()
        for layer, record in enumerate(stack.records)
    }
