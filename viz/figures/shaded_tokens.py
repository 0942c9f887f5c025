"""Tokens shaded by signed numbers, with ink that stays readable on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viz.figures.palettes import diverging_rgb

# Of the whole way to the ends of the palette, where ink would be hard to read.
FURTHEST = 0.6

# Relative luminance above which black ink has more contrast than white (WCAG 2).
BRIGHT = 0.179


def shaded(
    values: NDArray[np.floating], *, dark: bool, largest: float | None = None
) -> list[tuple[str, str]]:
    """Choose background and ink for each number, as CSS colours; red above 0, blue below, symmetric about 0.

    Args:
        values: NaN where nothing is known, which leaves the page's own.
        dark: whether the page is dark.
        largest: what the ends of the palette stand for; by default the largest of the numbers.
    """
    colours = diverging_rgb(dark)
    known = np.abs(values[np.isfinite(values)])
    if largest is None:
        largest = float(known.max()) if known.size else 0.0
    found = []
    for value in values.tolist():
        if not np.isfinite(value) or largest == 0:
            found.append(("transparent", "inherit"))
            continue
        place = 0.5 + 0.5 * FURTHEST * value / largest
        colour = colours[round(place * (len(colours) - 1))]
        ink = "#000" if _luminance(colour) > BRIGHT else "#fff"
        found.append(("rgb({},{},{})".format(*colour), ink))
    return found


def _luminance(colour: tuple[int, int, int]) -> float:
    """Measure a colour's relative luminance, as WCAG 2 defines it, from 0 to 1."""
    parts = [one / 255 for one in colour]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
