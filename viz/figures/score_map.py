"""A score of every head, as large as its page has room: layers down, heads across, exact numbers where one points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.head_effects import effects_figure
from viz.figures.head_matrix import statistic_figure
from viz.figures.text_layout import name_below

# How tall all rows are at most where each may still be so tall, and a row at least; in pixels.
TALL, TALLEST_ROW, LEAST_ROW = 560, 38, 16

# For the colour bar and its numbers, for the numbers of heads and what they are called, and for those of layers.
ABOVE, BELOW, LEFT = 62, 50, 52


def score_map_figure(
    values: NDArray[np.float32],
    name: str,
    *,
    selected: tuple[int, int],
    told: Sequence[Sequence[str]] | None = None,
    is_signed: bool = False,
    dark: bool = False,
) -> go.Figure:
    """Draw a score of all heads; a click has y = layer and x = head.

    Args:
        values: [layer, head]; NaN where there is no such head, or nothing is known of it.
        name: of the score, with its unit.
        selected: (layer, head), outlined.
        told: [layer][head], what is said of a head beside its number where one points at it; our own words, no text of
            anybody's.
        is_signed: whether numbers are changes, of which 0 is the middle even where none is below it.
        dark: whether the page is dark.
    """
    if is_signed or np.nanmin(values, initial=0) < 0:
        figure = effects_figure(values, name, selected=[selected], dark=dark)
    else:
        figure = statistic_figure(values, name, selected=[selected], dark=dark)
        # Plotly takes a least value only beside a largest.
        largest = float(np.nanmax(values, initial=0)) or 1.0
        figure.data[0].update(zmax=largest, colorbar_tickformat=".2~g")
        figure = name_below(figure, 26)
    _point(figure, values, name, told)
    rows = len(values) * max(LEAST_ROW, min(TALLEST_ROW, TALL // len(values)))
    # Margins that grow by themselves leave a hand's breadth free above a colour bar.
    return figure.update_layout(
        height=ABOVE + rows + BELOW,
        margin={"l": LEFT, "r": 2, "t": ABOVE, "b": BELOW, "pad": 0, "autoexpand": False},
    )


def _point(
    figure: go.Figure,
    values: NDArray[np.float32],
    name: str,
    told: Sequence[Sequence[str]] | None,
) -> None:
    """Say of a head that is pointed at which it is, its number, and what else is told."""
    down, across = np.nonzero(np.isfinite(values))
    rest = [
        "" if told is None else told[int(layer)][int(head)]
        for layer, head in zip(down, across, strict=True)
    ]
    figure.data[1].update(
        customdata=np.stack([values[down, across].astype(object), np.array(rest, object)], axis=-1),
        hoverlabel={"align": "left"},
        hovertemplate=f"layer %{{y}}, head %{{x}}<br>{name} %{{customdata[0]:.3g}}%{{customdata[1]}}<extra></extra>",
    )
