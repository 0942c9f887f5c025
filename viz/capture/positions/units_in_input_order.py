"""Attention shown in the order of the picture or the text, whatever order a layer has it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.capture.layers.channel_attention import ACROSS_CHANNELS
from viz.capture.layers.recorded_layer import Layer, ReportedLayer, in_short
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.input_cells import SERIES
from viz.capture.positions.known_positions import KnownPlaces, PlacedSide, known_places
from viz.capture.positions.unit_names import names_of
from viz.capture.positions.unit_origins import Origin, Pair
from viz.capture.provenance import Provenance
from viz.capture.tiers.hand_written import is_users
from viz.capture.tiers.softmax_calls import STREAM
from viz.inputs.units import Units, numbered_units

PIXELS = "pixel_values"

# Said of a layer whose units the model orders by their contents, so that ours are no proof of theirs.
BY_CONTENT = "units in an order that the model chooses by their contents"

# Said of a layer whose windows are shown one after the other, because their places are not proven.
IN_WINDOWS = "units in the order of the windows"


@dataclass(frozen=True, slots=True)
class ArrangedLayer:
    """A layer whose queries and keys stand where they belong.

    Shapes: places [query], where each query stands in the inner layer; seen [key], the same of its
    keys, None where it is the same.
    """

    inner: Layer
    places: Tensor
    provenance: Provenance
    seen: Tensor | None = None

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
        return len(self.places), len(self.columns)

    @property
    def columns(self) -> Tensor:
        """Where each key stands in the inner layer."""
        return self.places if self.seen is None else self.seen

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that takes memory."""
        own = [self.places] if self.seen is None else [self.places, self.seen]
        return [*self.inner.tensors, *own]

    def rows(self, heads: slice, rows: Tensor) -> tuple[Tensor, int]:
        """Compute exact rows of weights; see `RecordedLayer.rows`."""
        return self._spread(*self.inner.rows(heads, self.places[rows])), 0

    def may_look(self, rows: Tensor) -> Tensor:
        """Say which keys the rows may look at, bool [1 or head, row, key]."""
        return self._spread(self.inner.may_look(self.places[rows]), 0)

    def _spread(self, numbers: Tensor, first: int) -> Tensor:
        """Bring columns from the windows' order into their own."""
        at = self.columns - first
        inside = (at >= 0) & (at < numbers.shape[-1])
        out = numbers.new_zeros(*numbers.shape[:-1], len(at))
        out[..., inside] = numbers[..., at[inside]]
        return out


class Arranged(list[Layer]):
    """Layers in order, and what the queries and keys of each are called where that is proven."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        self.names: dict[int, tuple[Units | None, Units | None]] = {}


def arrange(
    layers: Sequence[Layer],
    module: nn.Module,
    inputs: Mapping[str, Any],
    batch: int,
    item: int = 0,
) -> Arranged:
    """Put units into the order of the picture or the text, and name those of pictures by their places.

    Where every unit of every layer comes from is found out by passes over codes. A layer of which it
    cannot be told stays as it is, window by window.

    Args:
        layers: of one input of a batch.
        module: that made them, in the state in which it did.
        inputs: of the whole batch.
        batch: how many inputs it has.
        item: which one the layers are of.

    Cost: four passes without attention, the first time that inputs of these shapes are seen; more where units
    are merged on the way in a manner that those do not tell.
    """
    arranged = Arranged(layers)
    asked = [n for n, layer in enumerate(layers) if _is_asked(layer, module, inputs)]
    whole = _is_worth_it([layers[n] for n in asked], module, inputs)
    if not asked or not (whole or _may_hold_planes(module, inputs)):
        return arranged
    packed = any(name.endswith("grid_thw") for name in inputs)
    own = inputs if batch == 1 or packed else _alone(inputs, batch, item)
    known = known_places(module, own, [layers[n] for n in asked], planes=not whole)
    for number, pair in zip(asked, known.pairs, strict=True):
        layer, names = layers[number], NONE
        if layer.name in known.channels and not isinstance(layer, _Windowed):
            layer = flagged(layer, ACROSS_CHANNELS)
        elif layer.name in known.by_content:
            layer = flagged(layer, BY_CONTENT)
            queries, keys = layer.shape
            names = numbered_units("unit", queries), numbered_units("unit", keys)
        else:
            there = _is_in_place(layer, module)
            layer, names = _placed(layer, pair, own, known, in_place=there)
        arranged[number] = layer
        arranged.names[number] = names
    return arranged


_Windowed = (WindowedLayer, ReportedWindows)

NONE: tuple[Units | None, Units | None] = (None, None)


def flagged(layer: Layer, flag: str) -> Layer:
    """Say something more of a layer."""
    provenance = replace(layer.provenance, flags=(*layer.provenance.flags, flag))
    made: Layer = replace(cast(Any, layer), provenance=provenance)
    return made


def _is_asked(layer: Layer, module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether a layer may be about something else than the words of a text, one by one."""
    ids = inputs.get("input_ids")
    if not (isinstance(module, PreTrainedModel) and isinstance(ids, Tensor) and ids.ndim > 1):
        return True
    return isinstance(layer, _Windowed) or layer.shape != (ids.shape[1], ids.shape[1])


def _is_worth_it(layers: Sequence[Layer], module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    pictures = any(
        name.startswith(PIXELS)
        or name.endswith("grid_thw")
        or name == SERIES
        or (isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 3)
        for name, value in inputs.items()
    )
    return (
        pictures
        or any(isinstance(layer, _Windowed) for layer in layers)
        or (
            not isinstance(module, PreTrainedModel)
            and any(_may_be_channels(layer, module, inputs) for layer in layers)
        )
    )


def _may_hold_planes(module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether spectrograms may be cut into patches; frames of a sound come one after the other."""
    return "input_ids" not in inputs and any(isinstance(p, nn.Conv2d) for p in module.modules())


def _may_be_channels(layer: Layer, module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether a layer's queries may be its channels, by their number: as many, or as nothing else."""
    queries, keys = layer.shape
    given = [value for value in inputs.values() if isinstance(value, Tensor)]
    units = {size for value in given for size in value.shape[:2]}
    widths = {value.shape[-1] for value in given if value.is_floating_point()}
    widths |= {part.in_features for part in module.modules() if isinstance(part, nn.Linear)}
    return queries == keys and (queries not in units or queries * layer.heads in widths)


def _alone(inputs: Mapping[str, Any], batch: int, item: int) -> dict[str, Any]:
    """Take one item out of a batch."""
    return {
        name: value[item : item + 1]
        if isinstance(value, Tensor) and value.ndim and len(value) == batch
        else value
        for name, value in inputs.items()
    }


def _is_in_place(layer: Layer, module: nn.Module) -> bool:
    """Whether weights were read off a part from outside, so that each row is that of its own unit already."""
    if isinstance(layer, SparseLayer):
        return True
    if not isinstance(layer, ReportedLayer):
        return False
    return is_users(dict(module.named_modules()).get(layer.name.partition(STREAM)[0], module))


def _placed(
    layer: Layer,
    pair: Pair,
    inputs: Mapping[str, Any],
    known: KnownPlaces,
    *,
    in_place: bool,
) -> tuple[Layer, tuple[Units | None, Units | None]]:
    """Put one layer's units where they belong, and name them; only name them where they are in place."""
    windowed = layer if isinstance(layer, _Windowed) else None
    cut = windowed is not None and not _are_pictures(windowed, pair)
    windows = int(layer.tensors[0].shape[0]) if cut else 0
    sides = [None if origin is None else _side(origin, windows, inputs, known) for origin in pair]
    if windowed is not None and windows and None in sides:
        return flagged(layer, IN_WINDOWS), NONE
    orders = [
        torch.arange(count) if side is None else side[0]
        for side, count in zip(sides, layer.shape, strict=True)
    ]
    looking, looked_at = (None if side is None else side[1] for side in sides)
    names = looking, looked_at
    down, across = orders
    as_it_is = all(
        torch.equal(order, torch.arange(count))
        for order, count in zip(orders, layer.shape, strict=True)
    )
    if as_it_is and windowed is None:
        return layer, names
    if in_place:
        return layer, NONE
    flags = layer.provenance.flags
    left = layer.shape[0] - len(down)
    if left:
        flags = (*flags, f"{left} units of padding left out, which rows may look at")
    provenance = replace(layer.provenance, flags=flags)
    device = layer.tensors[0].device
    same = torch.equal(down, across)
    seen = None if same else across.to(device)
    return ArrangedLayer(layer, down.to(device), provenance, seen), names


def _are_pictures(layer: WindowedLayer | ReportedWindows, pair: Pair) -> bool:
    """Whether what looks at itself alone are whole pictures of a batch, and no windows of one."""
    windows = int(layer.tensors[0].shape[0])
    for origin, count in zip(pair, layer.shape, strict=True):
        if origin is None or count % windows:
            return False
        inputs = [set(part[part >= 0].tolist()) for part in origin.places[:, 0].chunk(windows)]
        if any(len(one) != 1 for one in inputs) or len(set.union(*inputs)) < windows:
            return False
    return True


def _side(
    origin: Origin, windows: int, inputs: Mapping[str, Any], known: KnownPlaces
) -> PlacedSide | None:
    """Order and name the units of one side; None where that would be a guess."""
    key = id(origin), windows
    if key not in known.sides:
        known.sides[key] = _made_side(origin, windows, inputs, known.indexes)
    return known.sides[key]


def _made_side(
    origin: Origin, windows: int, inputs: Mapping[str, Any], indexes: Sequence[Tensor]
) -> PlacedSide | None:
    cells = origin.cells[origin.own]
    if len(torch.unique(cells)) < len(cells) or (windows and not origin.is_whole):
        return None
    if windows and not _is_padding(origin, windows):
        return None
    named = names_of(origin, inputs, indexes)
    rank = origin.cells if named is None else named[1]
    own = origin.own.nonzero()[:, 0]
    sorted_own = own[rank[own].argsort()]
    if windows:
        order = sorted_own
    else:
        order = torch.arange(len(rank))
        order[own] = sorted_own
    return order, None if named is None else _ordered(named[0], order)


def _is_padding(origin: Origin, windows: int) -> bool:
    """Whether what comes from no cell fills up the last windows, and is no token of every window's."""
    own = origin.own
    if bool(own.all()):
        return True
    same = own.view(windows, -1)
    return origin.alike and not any(origin.tokens) and bool((same != same[:1]).any())


def _ordered(units: Units, order: Tensor) -> Units:
    places = order.tolist()

    def taken(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[place] for place in places)

    return replace(
        units,
        labels=taken(units.labels),
        texts=taken(units.texts),
        ids=tuple(range(len(places))),
        special=taken(units.special),
        spans=taken(units.spans),
        words=tuple(range(len(places))),
        segments=taken(units.segments),
    )
