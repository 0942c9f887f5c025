"""Where one query looks in a picture or along a sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.inputs.frame_times import times_of
from viz.inputs.units import Grid, Units

# Weight is drawn over a picture as light of one colour, clear where there is none.
LIGHT = ((0.0, "rgba(255,214,10,0)"), (1.0, "rgba(255,214,10,0.85)"))
PINNED = "#d1495b"


def patch_at(x: float, y: float, size: tuple[int, int], grid: Grid) -> int:
    """Return the number of the patch that covers a point of a picture.

    Args:
        x: pixels from the left, as Plotly counts them: the first pixel's middle is 0.
        y: the same from the top.
        size: of the picture, its height and width in pixels.
        grid: from `patch_grid`.
    """
    before, rows, columns = grid
    down = int((y + 0.5) * rows / size[0])
    across = int((x + 0.5) * columns / size[1])
    return before + min(max(down, 0), rows - 1) * columns + min(max(across, 0), columns - 1)


def usual_query(units: Units, seconds: float | None = None) -> int:
    """Choose which query looks before anyone has chosen: a special one, or the middle.

    Args:
        units: the queries.
        seconds: how long the sound is; the middle of what is heard of it is meant, not of the
            silence that fills the model up. None where there is none.
    """
    times = times_of(units)
    if seconds is not None and times is not None:
        return int(np.searchsorted(times, min(seconds, float(times[-1])) / 2))
    return 0 if any(units.special) else len(units) // 2


def picture_figure(
    picture: NDArray[np.uint8],
    weights: NDArray[np.float32],
    grid: Grid,
    *,
    pinned: int | None,
    dark: bool,
    height: int = 420,
    largest: float | None = None,
) -> go.Figure:
    """Light a picture up where a query looks.

    Args:
        picture: as the model saw it, [height, width, 3].
        weights: of one query, [key].
        grid: from `patch_grid`.
        pinned: the query, if it is a patch; framed.
        dark: whether the page is dark.
        height: in pixels.
        largest: weight at the end of the scale; the largest of a patch by default.
    """
    before, rows, columns = grid
    patches = weights[before : before + rows * columns].reshape(rows, columns)
    is_patch = pinned is not None and before <= pinned < before + rows * columns
    return laid_over(
        picture,
        patches,
        grid,
        colours=LIGHT,
        span=(0.0, largest or float(patches.max(initial=0)) or 1.0),
        title="weight",
        hover="weight %{customdata[2]:.6g}",
        pinned=pinned - before if is_patch and pinned is not None else None,
        dark=dark,
        height=height,
    )


def laid_over(
    picture: NDArray[np.uint8],
    patches: NDArray[np.float32],
    grid: Grid,
    *,
    colours: Sequence[tuple[float, str]],
    span: tuple[float, float],
    title: str,
    hover: str,
    pinned: int | None,
    dark: bool,
    height: int,
) -> go.Figure:
    """Lay a number for each patch over a picture.

    Args:
        picture: [height, width, 3].
        patches: the numbers, [row, column].
        grid: how the patches lie.
        colours: of the numbers, from 0 to 1 of the span.
        span: the numbers at the ends of the colours.
        title: of the colours.
        hover: what is said of a patch, of which `customdata[2]` is the number.
        pinned: a patch to frame, row by row; None for none.
        dark: whether the page is dark.
        height: in pixels.
    """
    _, rows, columns = grid
    tall, wide = picture.shape[0] / rows, picture.shape[1] / columns
    across = (np.arange(columns) + 0.5) * wide - 0.5
    down = (np.arange(rows) + 0.5) * tall - 0.5
    figure = go.Figure(
        [
            go.Image(z=picture, hoverinfo="skip"),
            go.Heatmap(
                z=patches,
                x=across,
                y=down,
                hoverinfo="skip",
                colorscale=[list(stop) for stop in colours],
                zmin=span[0],
                zmax=span[1],
                # Below, where it stands under the picture however wide the page is.
                colorbar={
                    "orientation": "h",
                    "thickness": 10,
                    "len": 0.6,
                    "y": 0,
                    "yanchor": "top",
                    "title": {"text": title, "side": "top"},
                },
            ),
            # A heatmap's cells cannot be clicked in Streamlit; markers that nobody sees can.
            go.Scatter(
                x=np.tile(across, rows),
                y=np.repeat(down, columns),
                customdata=np.stack(
                    [*np.divmod(np.arange(rows * columns), columns), patches.ravel()], axis=-1
                ),
                mode="markers",
                marker={"symbol": "square", "size": 0.8 * height / rows, "opacity": 0},
                unselected={"marker": {"opacity": 0}},
                selected={"marker": {"opacity": 0}},
                hovertemplate="patch %{customdata[0]:d},%{customdata[1]:d}<br>"
                f"{hover}<extra></extra>",
                showlegend=False,
            ),
        ]
    )
    if pinned is not None:
        row, column = divmod(pinned, columns)
        figure.add_shape(
            type="rect",
            x0=column * wide - 0.5,
            x1=(column + 1) * wide - 0.5,
            y0=row * tall - 0.5,
            y1=(row + 1) * tall - 0.5,
            line={"color": PINNED, "width": 3},
        )
    figure.update_xaxes(visible=False, range=[-0.5, picture.shape[1] - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[picture.shape[0] - 0.5, -0.5], scaleanchor="x")
    return plain(figure, dark, height)


def sound_figure(
    loudness: NDArray[np.float32],
    seconds: float,
    weights: NDArray[np.float32],
    times: NDArray[np.float32],
    *,
    dark: bool,
    height: int = 260,
) -> go.Figure:
    """Draw a query's weights along a sound, over its loudness.

    Args:
        loudness: largest sample of each step, [step].
        seconds: how long the sound is.
        weights: of one query, [frame].
        times: when each frame begins, in seconds.
        dark: whether the page is dark.
        height: in pixels.
    """
    at = (np.arange(len(loudness)) + 0.5) * seconds / len(loudness)
    scaled = loudness / (float(loudness.max(initial=0)) or 1.0)
    figure = go.Figure(
        [
            go.Scatter(
                x=at,
                y=scaled,
                yaxis="y2",
                fill="tozeroy",
                mode="none",
                fillcolor="rgba(128,140,152,0.35)",
                name="loudness",
                hoverinfo="skip",
            ),
            go.Scatter(
                x=times,
                y=weights,
                mode="lines",
                line={"color": "#6cb4ee" if dark else "#0b63a5", "width": 2, "shape": "hv"},
                name="weight",
                hovertemplate="%{x:.2f} s<br>weight %{y:.6g}<extra></extra>",
            ),
        ]
    )
    figure.update_layout(
        xaxis={"title": "time (s)", "range": [0, seconds], "showgrid": False},
        yaxis={"title": "weight", "rangemode": "tozero", "showgrid": False},
        yaxis2={"overlaying": "y", "visible": False, "range": [0, 1.05]},
        legend={"orientation": "h", "y": 1.15},
    )
    return plain(figure, dark, height)


def plain(figure: go.Figure, dark: bool, height: int) -> go.Figure:
    """Take Plotly's own ground and margins away."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#e6ebf0" if dark else "#1b2430", "size": 12},
    )
    return figure
