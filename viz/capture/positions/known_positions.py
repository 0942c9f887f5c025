"""Where the units of a model's layers come from: found out by passes over codes, and kept for the next inputs."""

from __future__ import annotations

import re
import weakref
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.capture.layers.recorded_layer import Layer
from viz.capture.positions.data_dependent_branches import decided_otherwise
from viz.capture.positions.position_code_passes import coded
from viz.capture.positions.unit_origins import Pair, by_content, origins, shared, untold
from viz.inputs.units import Units

# Inputs of two dimensions whose numbers are contents: packed patches, samples.
CONTENT = re.compile(r"pixel|patch|hidden|embeds|input_values|features")

# Inputs whose places are kept for a model.
KEPT = 16

# Where each unit stands in its layer, in the order in which they are shown, and their names.
PlacedSide = tuple[Tensor, Units | None]


@dataclass(frozen=True, slots=True)
class KnownPlaces:
    """What passes over codes have told of every layer of a model, for some inputs.

    Layers share an origin where they have the same one, and what it makes of a side, by its windows.
    """

    pairs: list[Pair]
    indexes: list[Tensor]
    channels: set[str]
    by_content: set[str]
    sides: dict[tuple[int, int], PlacedSide | None] = field(default_factory=dict)


_found: weakref.WeakKeyDictionary[nn.Module, dict[Any, KnownPlaces]] = weakref.WeakKeyDictionary()


def known_places(
    module: nn.Module, inputs: Mapping[str, Any], layers: Sequence[Layer], *, planes: bool
) -> KnownPlaces:
    """Find out where the units of layers come from, once for inputs that say the same of it."""
    made = [(layer.name, layer.shape) for layer in layers]
    # A module of someone's own may hold what decides; a library's does not change.
    if not isinstance(module, PreTrainedModel):
        return _found_out(module, inputs, made, planes=planes)
    signature = (tuple(made), tuple(map(_told, inputs.items())), _way(module))
    found = _found.setdefault(module, {})
    known = found.pop(signature, None) or _found_out(module, inputs, made, planes=planes)
    found[signature] = known
    for oldest in list(found)[:-KEPT]:
        del found[oldest]
    return known


def _found_out(
    module: nn.Module,
    inputs: Mapping[str, Any],
    made: Sequence[tuple[str, tuple[int, int]]],
    *,
    planes: bool,
) -> KnownPlaces:
    """Run over codes, and decode every layer [part, (queries, keys)]."""
    seen = coded(module, inputs, _wanted(made), lambda seen: untold(seen, made), planes=planes)
    if seen is None:
        return KnownPlaces([(None, None)] * len(made), [], set(), set())
    is_own = not isinstance(module, PreTrainedModel)
    if is_own:
        cells = max((prod(source.size) for source in seen.sources), default=0)
        when = decided_otherwise(module, inputs, seen.decisions, cells)
        seen.chosen = seen.chosen if when is None else min(seen.chosen, when)
    pairs = shared(origins(seen, made))
    chosen = by_content(seen)
    if is_own:
        # A module of someone's own may choose by contents in any way; of others it chooses others.
        chosen |= _chosen_by_contents(module, inputs, made, pairs)
    return KnownPlaces(pairs, seen.indexes, seen.channels, chosen)


def _wanted(made: Sequence[tuple[str, tuple[int, int]]]) -> dict[str, int]:
    """How many queries of each part are looked for."""
    wanted: dict[str, int] = {}
    for name, (queries, _) in made:
        wanted[name] = wanted.get(name, 0) + queries
    return wanted


def _chosen_by_contents(
    module: nn.Module,
    inputs: Mapping[str, Any],
    made: Sequence[tuple[str, tuple[int, int]]],
    pairs: Sequence[Pair],
) -> set[str]:
    """Name the parts whose units come from other cells where other contents are put in."""
    if not any(side is not None for pair in pairs for side in pair):
        return set()
    seen = coded(module, inputs, _wanted(made), lambda seen: untold(seen, made), seed=1)
    again: Sequence[Pair] = [(None, None)] * len(made) if seen is None else origins(seen, made)
    return {
        name
        for (name, _), one, other in zip(made, pairs, again, strict=True)
        if any(
            a is not None and not (b is not None and torch.equal(a.places, b.places))
            for a, b in zip(one, other, strict=True)
        )
    }


def _told(given: tuple[str, Any]) -> Hashable:
    """What of an input may say who stands where: all but the numbers of pictures and sounds."""
    name, value = given
    if isinstance(value, Tensor):
        content = value.is_floating_point() and (value.ndim > 2 or CONTENT.search(name))
        numbers = None if content else tuple(value.flatten().tolist())
        return name, tuple(value.shape), numbers
    if isinstance(value, (list, tuple)):
        return name, tuple(_told((name, one)) for one in value)
    return name, repr(value)


def _way(module: nn.Module) -> str:
    return str(getattr(getattr(module, "config", None), "_attn_implementation", ""))
