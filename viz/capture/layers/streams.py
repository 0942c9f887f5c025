"""Several streams over one text, side by side on one axis: words as they are, and words to be guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.inputs.units import Units, joined


def in_streams(records: Sequence[Layer], units: Units | None, count: int) -> Units | None:
    """Name the units of streams by their words, where the weights show that they are streams.

    ProphetNet's decoder reads its text once, and once more for each word that it predicts ahead. Every
    stream looks at the first and at itself, and at no other.

    Args:
        records: layers that look at themselves.
        units: of the text.
        count: of the units on the axis.
    """
    length = 0 if units is None else len(units)
    if units is None or length == 0 or count <= length or count % length:
        return None
    whole = [record for record in records if isinstance(record, SparseLayer)]
    if len(whole) < len(records) or any(record.shape != (count, count) for record in whole):
        return None
    if not all(_are_apart(record.may_look(torch.arange(count)), length) for record in whole):
        return None
    streams = [units]
    for number in range(1, count // length):
        labels = tuple(f"{label} (ahead {number})" for label in units.labels)
        streams.append(replace(units, labels=labels))
    return reduce(joined, streams)


def _are_apart(may_look: Tensor, length: int) -> bool:
    """Whether streams [head, query, key] look at the first and at themselves alone."""
    looked = may_look.any(dim=0)
    streams = looked.view(len(looked) // length, length, -1, length).any(dim=3).any(dim=1)
    own = torch.eye(len(streams), dtype=torch.bool, device=streams.device)
    own[:, 0] = True
    return torch.equal(streams, own)
