"""Which heads are looked at, and in what order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from viz.errors import InputError
from viz.patterns.head_overview import Statistics
from viz.patterns.statistic import STATISTICS

# The smallest and the largest value that a kept head may have, both included.
Bounds = tuple[float, float]

# Heads can be sorted and kept by where they stand, too.
LAYER = "layer"


def arrange(
    statistics: Statistics,
    places: Sequence[tuple[int, int]],
    *,
    sort: str = LAYER,
    descending: bool = False,
    keep: Mapping[str, Bounds] | None = None,
) -> list[int]:
    """Put the heads of a stack in an order, and leave out those that are not wanted.

    Heads that are equal in what they are sorted by stand by layer and head, whichever way the others
    go; those without a number stand last, and no bounds keep them.

    Args:
        statistics: of every head.
        places: (layer, head) of each head, as in `Thumbnails.layers` and `Thumbnails.heads`.
        sort: `layer`, or the field of a statistic.
        descending: whether the last layer or the largest number comes first.
        keep: by `layer` or a statistic's name, the bounds that a head has to be within, all of them.

    Returns:
        Indices into `places`.

    Raises:
        InputError: there is no such statistic.
    """
    kept = np.ones(len(places), dtype=bool)
    for name, (low, high) in (keep or {}).items():
        numbers = _numbers(statistics, places, name)
        kept &= (low <= numbers) & (numbers <= high)
    by = _numbers(statistics, places, sort)
    layers = np.array([layer for layer, _ in places])
    heads = np.array([head for _, head in places])
    order = np.lexsort((heads, layers, -by if descending else by))
    return [int(index) for index in order if kept[index]]


def _numbers(
    statistics: Statistics, places: Sequence[tuple[int, int]], name: str
) -> NDArray[np.float64]:
    """Return what heads are sorted or kept by, one number a head."""
    if name == LAYER:
        return np.array([layer for layer, _ in places], dtype=np.float64)
    known = (LAYER, *(one.field for one in STATISTICS.values()))
    if name not in known:
        closest = difflib.get_close_matches(name, known, n=1)
        raise InputError(
            f"Heads have no {name!r} to sort or keep them by.",
            f"Did you mean {closest[0]!r}?" if closest else f"There are {', '.join(known)}.",
        )
    values = statistics.of(name)
    return np.array([values[place] for place in places], dtype=np.float64)
