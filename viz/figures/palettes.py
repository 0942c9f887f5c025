"""Colours: perceptual and colour-blind safe, with zero on the background's side in both themes."""

from __future__ import annotations

from functools import cache

from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

# Light themes show zero light, dark themes show zero dark, so that weight always stands out.
SEQUENTIAL = ("cividis", "viridis", "blues")
DIVERGING = ("#2166ac", "#f7f7f7", "#b2182b")

# Okabe & Ito 2008: seven hues that everyone can tell apart.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999900")

STEPS = 256

# The page's own colour, by whether it is dark.
PAGE = {False: (255, 255, 255), True: (16, 21, 28)}


@cache
def palette_rgb(name: str, dark: bool) -> tuple[tuple[int, int, int], ...]:
    """Return a palette as 256 colours from zero to the largest weight, each 0 to 255."""
    scale = get_colorscale(name)
    zero_is_dark = _brightness(scale, 0.0) < _brightness(scale, 1.0)
    places = [step / (STEPS - 1) for step in range(STEPS)]
    if zero_is_dark != dark:
        places.reverse()
    colours = [_rgb(colour) for colour in sample_colorscale(scale, places)]
    return _from_background(colours, dark)


def colorscale(name: str, dark: bool) -> list[list[float | str]]:
    """Return a palette as a Plotly colour scale."""
    colours = palette_rgb(name, dark)
    places = range(0, STEPS, 15)
    return [[place / (STEPS - 1), "rgb({},{},{})".format(*colours[place])] for place in places]


@cache
def diverging_rgb(dark: bool) -> tuple[tuple[int, int, int], ...]:
    """Return 256 colours from the lowest number (blue) over 0 (the page's own) to the highest (red)."""
    low, _, high = (hex_rgb(colour) for colour in DIVERGING)
    page = PAGE[dark]
    colours = []
    for step in range(STEPS):
        place = 2 * step / (STEPS - 1) - 1
        end = high if place > 0 else low
        mixed = [round(p + (c - p) * abs(place)) for p, c in zip(page, end, strict=True)]
        colours.append((mixed[0], mixed[1], mixed[2]))
    return tuple(colours)


def _from_background(
    colours: list[tuple[int, int, int]], dark: bool
) -> tuple[tuple[int, int, int], ...]:
    """Let the first tenth of a palette rise from the page's own colour, so that zero is nothing."""
    page = PAGE[dark]
    rising = STEPS // 10
    blended = []
    for step, colour in enumerate(colours):
        share = min(1.0, step / rising)
        mixed = [round(p + (c - p) * share) for p, c in zip(page, colour, strict=True)]
        blended.append((mixed[0], mixed[1], mixed[2]))
    return tuple(blended)


def _brightness(scale: list[list[float | str]], place: float) -> float:
    red, green, blue = _rgb(sample_colorscale(scale, [place])[0])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = unlabel_rgb(colour)
    return round(red), round(green), round(blue)


def hex_rgb(colour: str) -> tuple[int, int, int]:
    """Read a colour such as #0072b2 as red, green and blue, each 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
