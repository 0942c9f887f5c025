"""Where one query looks on two sides: over two pictures, or along two sounds, and what differs."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image
from plotly.subplots import make_subplots

from viz.figures.media_overlay import laid_over, plain
from viz.figures.palettes import OKABE_ITO
from viz.inputs.units import Grid

Numbers = NDArray[np.float32]

# Of the first and of the second side where they stand beside each other, by whether the page is dark.
HUES = {False: (OKABE_ITO[0], OKABE_ITO[1]), True: (OKABE_ITO[5], OKABE_ITO[4])}

# Light over a picture: blue where the first has more, red where the second has, clear where both have as much.
DIFFERENCE = (
    (0.0, "rgba(33,102,232,0.9)"),
    (0.5, "rgba(33,102,232,0)"),
    (0.5, "rgba(214,39,40,0)"),
    (1.0, "rgba(214,39,40,0.9)"),
)


def picture_difference_figure(
    picture: NDArray[np.uint8] | None,
    difference: Numbers,
    grid: Grid,
    *,
    pinned: int | None,
    dark: bool,
    height: int = 340,
    size: tuple[int, int] = (224, 224),
) -> go.Figure:
    """Draw second minus first over a picture.

    Args:
        picture: that both sides see, [height, width, 3]; None where they see two.
        difference: of each patch, [row * column]; NaN where a side has none.
        grid: of the patches, with nothing before them.
        pinned: the patch that looks, framed; None where it is none.
        dark: whether the page is dark.
        height: in pixels.
        size: of the ground where there is no picture, its height and width.
    """
    ground = np.full((*size, 3), 24 if dark else 238, np.uint8)
    if picture is not None:
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        ground = np.repeat(grey[..., None], 3, axis=2)
    most = float(np.nanmax(np.abs(difference), initial=0)) or 1.0
    return laid_over(
        ground,
        difference.reshape(grid.rows, grid.columns),
        grid,
        colours=DIFFERENCE,
        span=(-most, most),
        title="← first has more · second →",
        hover="second − first %{customdata[2]:+.6g}",
        pinned=pinned,
        dark=dark,
        height=height,
    )


def sounds_figure(
    loudness: tuple[tuple[Numbers, float], tuple[Numbers, float]],
    times: tuple[Numbers, Numbers],
    weights: tuple[Numbers, Numbers],
    difference: Numbers,
    places: Numbers,
    *,
    names: tuple[str, str] = ("first", "second"),
    dark: bool,
    height: int = 460,
) -> go.Figure:
    """Draw one row of two sides along their sounds, and what differs, over one axis of time.

    Args:
        loudness: of each sound, the largest sample of each step, and its seconds.
        times: when each side's frames begin, in seconds.
        weights: of each side's frames.
        difference: second minus first of each common frame; NaN where a side has none.
        places: when each common frame begins.
        names: of the sides.
        dark: whether the page is dark.
        height: in pixels.
    """
    figure = make_subplots(rows=3, shared_xaxes=True, vertical_spacing=0.04)
    most = max((float(one.max(initial=0)) for one in weights), default=0.0) or 1.0
    sides = zip(loudness, times, weights, HUES[dark], names, strict=True)
    for line, ((loud, seconds), at, weight, hue, name) in enumerate(sides, start=1):
        steps = (np.arange(len(loud)) + 0.5) * seconds / max(1, len(loud))
        figure.add_scatter(
            x=steps,
            # As tall as the panel, so that it needs no axis of its own.
            y=loud / (float(loud.max(initial=0)) or 1.0) * most,
            fill="tozeroy",
            mode="none",
            fillcolor="rgba(128,140,152,0.3)",
            name="loudness",
            showlegend=line == 1,
            hoverinfo="skip",
            row=line,
            col=1,
        )
        figure.add_scatter(
            x=at,
            y=weight,
            mode="lines",
            line={"color": hue, "width": 2, "shape": "hv"},
            name=name,
            hovertemplate="%{x:.2f} s<br>weight %{y:.6g}<extra></extra>",
            row=line,
            col=1,
        )
        figure.update_yaxes(range=[0, most * 1.05], title_text=name, row=line, col=1)
    figure.add_scatter(
        x=places,
        y=difference,
        mode="lines",
        line={"color": "#e6ebf0" if dark else "#1b2430", "width": 1.5, "shape": "hv"},
        name="second − first",
        hovertemplate="%{x:.2f} s<br>second − first %{y:+.6g}<extra></extra>",
        row=3,
        col=1,
    )
    figure.update_yaxes(title_text="second − first", row=3, col=1)
    longest = max(seconds for _, seconds in loudness)
    figure.update_xaxes(range=[0, longest], showgrid=False)
    figure.update_xaxes(title_text="time (s)", row=3, col=1)
    figure.update_yaxes(showgrid=False, nticks=4)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    return plain(figure, dark, height)
