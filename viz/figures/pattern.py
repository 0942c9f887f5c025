"""One head's pattern as a heatmap: rows look from, columns are looked at."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from viz.figures.display import Display, Shown
from viz.figures.palettes import colorscale

# More labels than this on an axis overlap; every so many are left out.
MOST_LABELS = 28

# Longest label on an axis, in characters.
LONGEST_LABEL = 14

# Weights below this are the bottom of the logarithmic scale.
LOG_FLOOR = 1e-4


def pattern_figure(shown: Shown, *, display: Display, dark: bool, height: int = 520) -> go.Figure:
    """Draw a pattern.

    Each cell is how much the row's token (query) looks at the column's token (key). With the sink
    left out, its weight stands in a strip of its own on the left. Hover gives the stored weight and
    the number as displayed.

    Args:
        shown: from `viz.figures.display.apply`.
        display: how it was prepared; gives palette and scale.
        dark: whether the page is dark.
        height: in pixels.
    """
    strip = shown.sink is not None
    figure = make_subplots(
        rows=1,
        cols=2 if strip else 1,
        column_widths=[0.05, 0.95] if strip else None,
        horizontal_spacing=0.02,
        shared_yaxes=True,
    )
    colours = colorscale(display.palette, dark)
    figure.add_trace(_heatmap(shown, display, colours), row=1, col=2 if strip else 1)
    if shown.sink is not None:
        figure.add_trace(_sink_strip(shown, shown.sink, colours), row=1, col=1)
        figure.update_xaxes(
            tickvals=[0], ticktext=[_plain(shown.sink_label)], tickangle=-90, row=1, col=1
        )
    _axes(figure, shown, 2 if strip else 1)
    ink = "#e6ebf0" if dark else "#1b2430"
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 12},
        hoverlabel={"font": {"size": 13}},
        dragmode="zoom",
    )
    return figure


def _heatmap(shown: Shown, display: Display, colours: list[list[float | str]]) -> go.Heatmap:
    z, bar = _coloured(shown.values, display.scale)
    return go.Heatmap(
        z=z,
        customdata=_hover_numbers(shown),
        text=_hover_names(shown),
        hovertemplate=(
            "%{text}<br>weight %{customdata[0]:.3g}<br>displayed %{customdata[1]:.3g}"
            "<extra></extra>"
        ),
        colorscale=colours,
        zmin=bar["zmin"],
        zmax=bar["zmax"],
        xgap=0.5 if max(shown.values.shape) <= 40 else 0,
        ygap=0.5 if max(shown.values.shape) <= 40 else 0,
        colorbar=bar["colorbar"],
    )


def _sink_strip(
    shown: Shown, sink: NDArray[np.float32], colours: list[list[float | str]]
) -> go.Heatmap:
    names = [
        [f"{_plain(label)} looks at the sink {_plain(shown.sink_label)}"]
        for label in shown.query_labels
    ]
    return go.Heatmap(
        z=sink[:, None],
        text=names,
        hovertemplate="%{text}<br>weight %{z:.3g}<extra></extra>",
        colorscale=colours,
        zmin=0,
        zmax=1,
        showscale=False,
    )


def _coloured(
    values: NDArray[np.float32], scale: str
) -> tuple[NDArray[np.float32], dict[str, object]]:
    """Return what the colours are made from, and a bar that names weights in either scale."""
    largest = float(values.max(initial=0.0)) or 1.0
    bar: dict[str, object] = {"thickness": 12, "outlinewidth": 0, "len": 1.0, "x": 1.02}
    if scale == "linear":
        bar |= {"title": {"text": "weight", "side": "right"}, "tickformat": ".2~g"}
        return values, {"zmin": 0.0, "zmax": largest, "colorbar": bar}
    exponents = list(range(int(np.log10(LOG_FLOOR)), 1))
    bar |= {
        "title": {"text": "weight (log)", "side": "right"},
        "tickvals": exponents,
        "ticktext": [f"{10.0**exponent:g}" for exponent in exponents],
    }
    logs = np.log10(np.maximum(values, LOG_FLOOR)).astype(np.float32)
    return logs, {"zmin": float(exponents[0]), "zmax": 0.0, "colorbar": bar}


def _hover_numbers(shown: Shown) -> NDArray[np.float32]:
    return np.stack([shown.raw, shown.values], axis=-1)


def _hover_names(shown: Shown) -> list[list[str]]:
    queries = [_plain(label) for label in shown.query_labels]
    keys = [_plain(label) for label in shown.key_labels]
    return [
        [f"query <b>{query}</b> looks at key <b>{key}</b>" for key in keys] for query in queries
    ]


def _axes(figure: go.Figure, shown: Shown, column: int) -> None:
    """Name the axes and thin the labels out until they do not overlap."""
    x_places, x_names = _ticks(shown.key_labels)
    y_places, y_names = _ticks(shown.query_labels)
    common = {"showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(
        title_text="looked at (key)",
        tickvals=x_places,
        ticktext=x_names,
        tickangle=-60,
        row=1,
        col=column,
    )
    figure.update_xaxes(**common)
    figure.update_yaxes(**common, autorange="reversed")
    figure.update_yaxes(
        title_text="looks from (query)", tickvals=y_places, ticktext=y_names, row=1, col=1
    )


def _ticks(labels: Sequence[str]) -> tuple[list[int], list[str]]:
    step = -(-len(labels) // MOST_LABELS)
    places = list(range(0, len(labels), step))
    return places, [_short(labels[place]) for place in places]


def _short(label: str) -> str:
    cut = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
    return _plain(cut)


def _plain(label: str) -> str:
    """Make Plotly show a token's own angle brackets instead of reading them as markup."""
    return html.escape(label, quote=False)
