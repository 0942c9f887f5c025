"""Some of many rows, where all would take too long: evenly spaced, each exact over all keys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viz.errors import ShapeError
from viz.models.argument_checks import whole_number


def spaced(count: int, most: int) -> NDArray[np.int64]:
    """Choose at most so many of the numbers from 0, evenly spaced, both ends among them; of one the last."""
    if count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count - 1])
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def at_least_one(rows: int) -> int:
    """Return a number of rows that was asked for.

    Raises:
        ShapeError: it is none, or less than 1.
    """
    count = whole_number(rows, "number of rows")
    if count < 1:
        raise ShapeError(f"{count} rows were asked for.", "Ask for 1 at least, or for all.")
    return count
