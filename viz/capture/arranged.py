"""Attention within windows, shown in the order of the picture or the text instead of the windows'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.layer import Layer
from viz.capture.provenance import Provenance
from viz.capture.windows import ReportedWindows, WindowedLayer
from viz.models.rows import RecentOutputs, source_of


@dataclass(frozen=True, slots=True)
class ArrangedLayer:
    """A windowed layer whose queries and keys stand where they belong.

    Shapes: places [unit], where each unit stands in the windows laid one after the other.
    """

    inner: WindowedLayer | ReportedWindows
    places: Tensor
    provenance: Provenance

    @property
    def name(self) -> str:
        """Of the part that attends."""
        return self.inner.name

    @property
    def heads(self) -> int:
        """How many heads look."""
        return self.inner.heads

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys; padding is left out."""
        return len(self.places), len(self.places)

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        return [*self.inner.tensors, self.places]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights; see `RecordedLayer.rows`."""
        return self._spread(*self.inner.rows(heads, self.places[rows])), 0

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""
        return self._spread(self.inner.may_look(self.places[rows]), 0)

    def _spread(self, numbers: Tensor, first: int) -> Tensor:
        """Bring columns from the windows' order into their own."""
        at = self.places - first
        inside = (at >= 0) & (at < numbers.shape[-1])
        out = numbers.new_zeros(*numbers.shape[:-1], len(self.places))
        out[..., inside] = numbers[..., at[inside]]
        return out


def arrange(
    layers: Sequence[Layer], module: nn.Module, inputs: Mapping[str, Any], item: int, batch: int
) -> list[Layer]:
    """Put windowed layers into the order of what the windows were cut from.

    The order is learned from one more pass over noise, in which no two units are alike. A layer of
    which it cannot be told, such as one that pools its queries, stays window by window.
    """
    windowed = {layer.name for layer in layers if isinstance(layer, _Windowed)}
    if not windowed:
        return list(layers)
    order = _window_order(module, inputs, windowed, batch)
    return [
        _arranged(layer, *order[layer.name], item, batch)
        if isinstance(layer, _Windowed) and layer.name in order
        else layer
        for layer in layers
    ]


_Windowed = (WindowedLayer, ReportedWindows)


def _arranged(
    layer: WindowedLayer | ReportedWindows, source: Tensor, units: int, item: int, batch: int
) -> Layer:
    """Turn "where does each row come from" around, for one item of the batch."""
    queries, keys = layer.shape
    if queries != keys or len(source) != queries * batch:
        return layer
    mine = source[item * queries : (item + 1) * queries] - item * (units // batch)
    kept = (source[item * queries : (item + 1) * queries] >= 0).nonzero()[:, 0]
    places = torch.empty(len(kept), dtype=torch.long)
    places[mine[kept]] = kept
    padded = queries - len(kept)
    flags = layer.provenance.flags
    if padded:
        flags = (*flags, f"{padded} units of padding left out, which rows may look at")
    device = layer.tensors[0].device
    return ArrangedLayer(layer, places.to(device), replace(layer.provenance, flags=flags))


def _window_order(
    module: nn.Module, inputs: Mapping[str, Any], names: set[str], batch: int
) -> dict[str, tuple[Tensor, int]]:
    """Run noise through a model and see where the rows of every window come from."""
    order: dict[str, tuple[Tensor, int]] = {}
    handles = []
    noise = {
        name: torch.randn_like(value)
        if isinstance(value, Tensor) and value.is_floating_point()
        else value
        for name, value in inputs.items()
    }
    with RecentOutputs(module) as recent, torch.random.fork_rng(), torch.inference_mode():
        for name, part in module.named_modules():
            if name not in names:
                continue

            def before(
                _part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = name
            ) -> None:
                given = next(v for v in (*args, *kwargs.values()) if isinstance(v, Tensor))
                found = source_of(given, recent.latest)
                if found is not None and found[1] % batch == 0:
                    order[name] = found

            handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
        try:
            module(**noise)
        finally:
            for handle in handles:
                handle.remove()
    return order
