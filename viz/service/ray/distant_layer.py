"""A layer of attention whose numbers are in a replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.capture.provenance import Provenance
from viz.service.ray.references import LayerReference


class LayerSource(Protocol):
    """Fetches parts of layers."""

    def rows(self, layer: DistantLayer, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights where the layer is; see `Layer.rows`."""

    def may_look(self, layer: DistantLayer, rows: Tensor) -> Tensor:
        """Say where the layer is which keys rows may look at; see `Layer.may_look`."""

    def whole(self, layer: DistantLayer) -> Layer:
        """Bring a whole layer here: queries, keys and all that its formula needs."""


@dataclass(frozen=True, slots=True, repr=False)
class DistantLayer:
    """Answers what every layer answers: small things by itself, weights by asking where the layer is.

    Attributes:
        reference: which one.
        source: asks.
    """

    reference: LayerReference
    source: LayerSource

    def __repr__(self) -> str:
        at = self.reference
        return f"DistantLayer({at.name}: {at.heads} heads, {at.shape[0]} x {at.shape[1]})"

    @property
    def name(self) -> str:
        """Of the part that attends."""
        return self.reference.name

    @property
    def provenance(self) -> Provenance:
        """How its weights were come by."""
        return self.reference.provenance

    @property
    def heads(self) -> int:
        """How many heads look."""
        return self.reference.heads

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys."""
        return self.reference.shape

    @property
    def tensors(self) -> list[Tensor]:
        """What takes memory here: nothing; weights arrive on the CPU."""
        return [torch.empty(0)]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights for a run of heads; see `RecordedLayer.rows`."""
        return self.source.rows(self, heads, rows)

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""
        return self.source.may_look(self, rows)

    def opened(self) -> Layer:
        """Return the layer with its numbers, which are brought here."""
        return self.source.whole(self)
