"""When the frames of a sound begin, read off their names."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from viz.inputs.units import Units

TIME = re.compile(r"(\d+\.\d+) s")


def times_of(units: Units) -> NDArray[np.float32] | None:
    """Return when each frame begins, in seconds; None for units that have no times.

    Returns:
        Shape [frame], read off the labels.
    """
    times = [TIME.fullmatch(label) for label in units.labels]
    if not times or not all(times):
        return None
    return np.array([float(time[1]) for time in times if time is not None], dtype=np.float32)


def frame_seconds(times: NDArray[np.float32]) -> float:
    """Return how long a frame is; 0 for one alone, of which nothing tells."""
    return float(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
