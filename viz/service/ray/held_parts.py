"""Layers and tokenizers of runs that replicas hold: stand-ins for them, and what they ask."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.service.lru_store import BoundedStore
from viz.service.ray import replica_answers as answers
from viz.service.ray.cluster import Cluster, ReplicaConnection
from viz.service.ray.distant_effects import DistantEffects
from viz.service.ray.distant_layer import DistantLayer
from viz.service.ray.references import LayerReference, Reference, TokenizerReference

# What this process keeps of layers that were brought here whole.
LAYER_BYTES = 1_000_000_000

MOST_TOKENIZERS = 8


class HeldParts:
    """Asks for parts of runs; one for all pages of a process.

    Args:
        connection: to the replicas.

    Attributes:
        cluster: asks them, and finds here what they name.
    """

    def __init__(self, connection: ReplicaConnection) -> None:
        self.cluster = Cluster(connection, name_of, self.find)
        self._tokenizers: BoundedStore[Any] = BoundedStore(MOST_TOKENIZERS, lambda _: 1)
        self._layers: BoundedStore[Layer] = BoundedStore(LAYER_BYTES, _layer_bytes)

    def find(self, reference: Reference) -> object:
        """Return what stands here for something that a replica keeps."""
        if isinstance(reference, LayerReference):
            return DistantLayer(reference, self)
        assert isinstance(reference, TokenizerReference), "a replica has no other names"
        run = reference.run
        return self._tokenizers.made(
            reference.model,
            lambda: self.cluster.ask(answers.tokenizer, run, holder=run.replica),
        )

    def rows(self, layer: DistantLayer, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights where a layer is."""
        return cast("tuple[Tensor, int]", self._ask(layer, answers.rows, heads, rows))

    def may_look(self, layer: DistantLayer, rows: Tensor) -> Tensor:
        """Say there which keys rows may look at."""
        return cast("Tensor", self._ask(layer, answers.may_look, rows))

    def whole(self, layer: DistantLayer) -> Layer:
        """Bring a layer here, once while there is room."""
        at = layer.reference
        key = (at.held, at.stack, at.layer)
        return self._layers.made(key, lambda: cast("Layer", self._ask(layer, answers.whole)))

    def _ask(self, layer: DistantLayer, question: Any, *args: object) -> Any:
        replica = layer.reference.held.replica
        return self.cluster.ask(question, layer, *args, holder=replica)


def name_of(obj: object) -> Reference | None:
    """Name what a page has of a replica's."""
    return obj.reference if isinstance(obj, DistantLayer | DistantEffects) else None


def _layer_bytes(layer: Layer) -> int:
    return sum(tensor.nbytes for tensor in layer.tensors)
