"""What the units of a layer are called where passes over codes have shown what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from viz.capture.positions.unit_origins import Origin
from viz.inputs.units import Units, numbered_units

# Names of inputs that hold pictures; others of three channels do, too.
PICTURES = re.compile(r"pixel|image|img|frames|video")
COLOURS = 3

# How many patches a side stand together in packed pictures whose patches are merged later.
TOGETHER = (1, 2, 3, 4)

# A cell of a picture: which picture, which frame, row and column; -1 where it has none.
Spot = tuple[int, int, int, int]


def names_of(
    origin: Origin, inputs: Mapping[str, Any], indexes: Sequence[Tensor]
) -> tuple[Units, Tensor] | None:
    """Name the units of one side of a layer, and say where each comes in the order of the picture.

    Args:
        origin: of every unit.
        inputs: of the model.
        indexes: places that the model itself told its parts.

    Returns:
        Units in the layer's own order, and a number for each by which they are put into the
        picture's; None where what they are made of is no picture.
    """
    if origin.spans is not None:
        return _spans(origin, origin.spans), origin.cells
    value = inputs.get(origin.read or "")
    if isinstance(value, Tensor) and _holds_pictures(origin, value, inputs):
        spots = _spots(origin, value, inputs, indexes)
    elif sum(size > 1 for size in origin.size[1:]) > 1:
        # Patches of a sound, over time and pitch, or of what is not known to be a picture.
        spots, value = None, origin.places
    else:
        return None
    own = origin.own.tolist()
    cells = origin.cells
    if spots is None:
        labels = [f"patch {cell}" if cell >= 0 else "" for cell in cells.tolist()]
        rank = cells
    else:
        word = "tile" if value.ndim == 5 and len(value) == 1 else "picture"
        several = len({spot[0] for spot in spots}) > 1
        moving = len({spot[1] for spot in spots}) > 1
        labels = [
            _label(spots[cell], word if several else "", moving) if cell >= 0 else ""
            for cell in cells.tolist()
        ]
        order = sorted(range(len(spots)), key=spots.__getitem__)
        place = torch.empty(len(spots), dtype=torch.long)
        place[torch.tensor(order)] = torch.arange(len(spots))
        rank = torch.where(origin.own, place[cells.clamp(min=0)], -1)
        if several:
            labels = _special(origin, labels, spots, word)
    labels = _special(origin, labels, None, "")
    units = numbered_units("patch", len(labels))
    special = tuple(not one for one in own)
    return replace(units, labels=tuple(labels), special=special), rank


def _spans(origin: Origin, spans: Sequence[tuple[int, int, int]]) -> Units:
    """Name spans of a time series by their channel and their steps."""
    several = len({channel for channel, _, _ in spans}) > 1
    labels = []
    for unit, cell in enumerate(origin.cells.tolist()):
        if cell < 0:
            labels.append("[CLS]" if origin.tokens[unit] else "[extra]")
            continue
        channel, first, stop = spans[cell]
        labels.append((f"channel {channel}: " if several else "") + f"{first}-{stop - 1}")
    units = numbered_units("span", len(labels))
    special = tuple(cell < 0 for cell in origin.cells.tolist())
    return replace(units, labels=tuple(labels), special=special)


def _holds_pictures(origin: Origin, value: Tensor, inputs: Mapping[str, Any]) -> bool:
    packed = value.ndim == 2 and any(name.endswith("grid_thw") for name in inputs)
    called = packed or PICTURES.search(origin.read or "") is not None
    return called or (value.ndim == 4 and value.shape[1] == COLOURS and len(origin.size) == 3)


def _label(spot: Spot, word: str, moving: bool) -> str:
    picture, frame, row, column = spot
    before = f"{word} {picture + 1}: " if word else ""
    return before + (f"frame {frame}: " if moving else "") + f"{row},{column}"


def _spots(
    origin: Origin, value: Tensor, inputs: Mapping[str, Any], indexes: Sequence[Tensor]
) -> list[Spot] | None:
    """Say where every cell lies in its picture; None where that is not known."""
    size = origin.size
    if len(size) == 3 and value.ndim in (4, 5):
        count, rows, columns = size
        frames = 1
    elif len(size) == 4 and value.ndim == 5 and max(size[2:]) > 1:
        count, frames, rows, columns = size
    else:
        return _packed(size, origin.read or "", inputs, indexes)
    every = torch.cartesian_prod(*(torch.arange(n) for n in (count, frames, rows, columns)))
    return [(p, f, r, c) for p, f, r, c in every.view(-1, 4).tolist()]


def _packed(
    size: Sequence[int], read: str, inputs: Mapping[str, Any], indexes: Sequence[Tensor]
) -> list[Spot] | None:
    """Say where packed patches lie, in the layout that the model's own index of places has."""
    video = "video" in read
    grids = [
        value
        for name, value in inputs.items()
        if name.endswith("grid_thw") and isinstance(value, Tensor) and ("video" in name) == video
    ]
    whole = size[0] if size[0] > 1 or len(size) == 1 else size[1]
    if len(grids) != 1 or int(grids[0].prod(dim=1).sum()) != whole:
        return None
    for together in TOGETHER:
        if bool((grids[0][:, 1:] % together).any()):
            continue
        spots: list[Spot] = []
        for picture, (frames, rows, columns) in enumerate(grids[0].tolist()):
            block = (rows // together, together, columns // together, together)
            row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            down, across = (one.reshape(block).transpose(1, 2).flatten() for one in (row, column))
            for frame in range(frames):
                places = zip(down.tolist(), across.tolist(), strict=True)
                spots += [(picture, frame, r, c) for r, c in places]
        told = torch.tensor([spot[2:] for spot in spots])
        if any(
            len(index) == len(told) and torch.equal(index[:, -2:].cpu(), told) for index in indexes
        ):
            return spots
    return None


def _special(
    origin: Origin, labels: Sequence[str], spots: Sequence[Spot] | None, word: str
) -> list[str]:
    """Name the units that come from no cell: class tokens, registers, by the parameter they are.

    With `spots`, only those that stand in a block of one picture's own, which is named with them.
    """
    named = list(labels)
    cells = origin.cells.tolist()
    blocks: list[range] = [range(len(labels))]
    if spots is not None:
        count = len({spot[0] for spot in spots})
        if len(labels) % count:
            return named
        step = len(labels) // count
        blocks = [range(start, start + step) for start in range(0, len(labels), step)]
        of = [{spots[cells[u]][0] for u in block if cells[u] >= 0} for block in blocks]
        if any(len(one) != 1 for one in of) or len(set.union(*of)) < count:
            return named
    for number, block in enumerate(blocks):
        register = extra = 0
        for unit in block:
            if cells[unit] >= 0 or named[unit]:
                continue
            token = origin.tokens[unit].rpartition(".")[2]
            if token.startswith("cls") or token.startswith("class"):
                own = "[CLS]"
            elif token.startswith("reg"):
                register += 1
                own = f"[REG{register}]"
            elif token.startswith("dist"):
                own = "[DIST]"
            else:
                own = f"[extra {extra}]"
                extra += 1
            picture = 0 if spots is None else min(of[number]) + 1
            named[unit] = f"{word} {picture}: {own}" if spots is not None else own
    return named
