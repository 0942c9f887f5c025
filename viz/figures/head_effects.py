"""What each head does to a prediction: layers down, heads across, red for and blue against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.head_matrix import statistic_figure
from viz.figures.palettes import diverging_rgb
from viz.figures.text_layout import name_below

# What an effect is drawn against at least, so that what rounding leaves of nothing stays pale.
LEAST = 1e-3


def effects_figure(
    values: NDArray[np.float32],
    name: str,
    *,
    selected: Sequence[tuple[int, int]] = (),
    dark: bool = False,
) -> go.Figure:
    """Draw signed effects of heads, symmetric about 0; a click has y = layer and x = head.

    Args:
        values: [layer, head]; NaN where a layer has fewer heads or nothing is known.
        name: of the effect, with its unit.
        selected: (layer, head), outlined.
        dark: whether the page is dark.
    """
    figure = statistic_figure(values, name, selected=selected, dark=dark)
    known = np.abs(values[np.isfinite(values)])
    largest = max(LEAST, float(known.max()) if known.size else 0.0)
    colours = diverging_rgb(dark)
    last = len(colours) - 1
    scale = [
        [place / last, "rgb({},{},{})".format(*colours[place])] for place in range(0, last + 1, 5)
    ]
    figure.data[0].update(zmin=-largest, zmax=largest, colorscale=scale, colorbar_tickformat=".2~g")
    return name_below(figure, 26)
