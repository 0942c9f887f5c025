"""Attention within windows, shown in the order of the picture or the text instead of the windows'."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.layer import Layer, in_short
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

    __repr__ = in_short

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


# Where rows come from and how many there are, by the name of a part and the number of its call.
Order = dict[tuple[str, int], tuple[Tensor, int]]


def arrange(
    layers: Sequence[Layer], module: nn.Module, inputs: Mapping[str, Any], batch: int
) -> list[Layer]:
    """Put windowed layers into the order of what the windows were cut from.

    The order is learned from two more passes over noise, in which no two units are alike, and
    believed only if both say the same: windows that are cut by content have no order of their own. A
    layer of which it cannot be told, such as one that pools its queries, stays window by window.
    """
    windowed = {layer.name for layer in layers if isinstance(layer, _Windowed)}
    if not windowed or batch > 1:
        return list(layers)
    first, second = (_window_order(module, inputs, windowed) for _ in range(2))
    calls: Counter[str] = Counter()
    arranged: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, _Windowed):
            arranged.append(layer)
            continue
        call = (layer.name, calls[layer.name])
        calls[layer.name] += 1
        one, other = first.get(call), second.get(call)
        sure = one is not None and other is not None and torch.equal(one[0], other[0])
        arranged.append(_arranged(layer, *one) if one is not None and sure else layer)
    return arranged


_Windowed = (WindowedLayer, ReportedWindows)


def _arranged(layer: WindowedLayer | ReportedWindows, source: Tensor, units: int) -> Layer:
    """Turn "where does each row come from" around; each unit must stand in one window, once."""
    queries, keys = layer.shape
    kept = (source >= 0).nonzero()[:, 0]
    whole = torch.equal(source[kept].sort().values, torch.arange(units))
    if queries != keys or len(source) != queries or not whole:
        return layer
    places = torch.empty(units, dtype=torch.long)
    places[source[kept]] = kept
    flags = layer.provenance.flags
    if queries > units:
        flags = (*flags, f"{queries - units} units of padding left out, which rows may look at")
    device = layer.tensors[0].device
    return ArrangedLayer(layer, places.to(device), replace(layer.provenance, flags=flags))


def _window_order(module: nn.Module, inputs: Mapping[str, Any], names: set[str]) -> Order:
    """Run noise through a model and see where the rows of every window come from.

    Returns:
        Nothing where the model cannot run noise.
    """
    order: Order = {}
    calls: Counter[str] = Counter()
    handles = []
    noise = {name: _noise(value) for name, value in inputs.items()}
    owner = threading.get_ident()
    with RecentOutputs(module) as recent, torch.inference_mode():
        for name, part in module.named_modules():
            if name not in names:
                continue

            def before(
                _part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = name
            ) -> None:
                if threading.get_ident() != owner:
                    return
                given = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)), None)
                found = None if given is None else source_of(given, recent.latest)
                if found is not None:
                    order[name, calls[name]] = found
                calls[name] += 1

            handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
        try:
            module(**noise)
        except Exception:  # it need not stand noise
            return {}
        finally:
            for handle in handles:
                handle.remove()
    return order


def _noise(value: Any) -> Any:
    """Make noise of a tensor's shape, of numbers that are nobody else's."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    generator = torch.Generator().manual_seed(int(time.monotonic_ns()) % 2**31)
    return torch.randn(value.shape, generator=generator).to(value)
