"""One observed forward pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.saving import path_of, save_trace
from viz.capture.stack import Stack
from viz.inputs.units import Units


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a trace remembers of the model that made it."""

    name: str
    revision: str | None
    kind: str
    dtype: str
    device: str
    fingerprint: str
    layers: int
    heads: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything needed to answer where any head looked, in memory that grows with the text.

    Attributes:
        model: what made it.
        text: the first text, or None where the model's own inputs were given.
        pair: the second text of a pair.
        units: what rows and columns count.
        stacks: attention by kind; `{"self": ...}` for encoders and decoders.
        output: logits [token, vocabulary] or hidden state [token, d_model]; all rows of an input that has
            several, such as codebooks; None once dropped.
        unshown: parts of the model that mix its units in a way that is no softmax attention.
    """

    model: ModelCard
    text: str | None
    pair: str | None
    units: Units
    stacks: dict[str, Stack]
    output: Tensor | None
    unshown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        stacks = "; ".join(stack.summary() for stack in self.stacks.values())
        return f"Trace({stacks}, model {self.model.name!r})"

    @property
    def key(self) -> str:
        """A name made of the content: the same model and the same tokens have the same key."""
        content = repr(
            (self.model.fingerprint, self.model.dtype, self.units.ids, self.text, self.pair)
        )
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass"))
        if self.text is None:
            # Pictures, sounds and inputs of one's own have no text; what they became tells them apart.
            for stack in self.stacks.values():
                for tensor in stack.records[0].tensors[:2]:
                    digest.update(on_cpu(tensor).float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    @property
    def memory_bytes(self) -> int:
        """What keeping this trace costs."""
        tensors: list[Tensor] = [] if self.output is None else [self.output]
        for stack in self.stacks.values():
            for record in stack.records:
                tensors += record.tensors
                if isinstance(record, RecordedLayer):
                    rule = record.mask
                    tensors += [rule.start] if isinstance(rule, Spans) else [rule.matrix]
        unique = {tensor.data_ptr(): tensor for tensor in tensors}
        return sum(tensor.numel() * tensor.element_size() for tensor in unique.values())

    def without_output(self) -> Trace:
        """Let go of the logits, which outweigh queries and keys for large vocabularies."""
        return replace(self, output=None)

    def save(self, path: str | Path) -> None:
        """Write the trace to a safetensors file.

        Raises:
            StorageError: the file cannot be written.
        """
        save_trace(self, path_of(path))


def on_cpu(tensor: Tensor) -> Tensor:
    """Bring a tensor to where files and figures want it."""
    return tensor.detach().to("cpu", copy=False) if tensor.device != torch.device("cpu") else tensor
