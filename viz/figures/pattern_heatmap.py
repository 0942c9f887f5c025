"""One head's pattern as a heatmap: rows look from, columns are looked at."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from viz.figures.display_options import Display, Shown
from viz.figures.palettes import colorscale

# More labels than this on an axis overlap; Plotly leaves some out until one zooms in.
MOST_LABELS = 24

# Labels beyond so many are written smaller, so that they do not touch on a telephone either.
MOST_LARGE, SMALL_SIZE = 16, 10

# Names that say where a patch or a frame stands, and need no number beside them; fewer of them are read
# as a scale.
PLACE = re.compile(r"\d+,\d+|\d+(?:\.\d+)? s")
MOST_PLACES = 12

# Up to so many labels on an axis are read better slanted than upright.
SLANTED_LABELS = 20

# Classes of characters that are written from the right, and what isolates them: Unicode, annex 9.
RIGHT_TO_LEFT = ("R", "AL", "AN")
FIRST_STRONG, POP = "\u2068", "\u2069"

# Longest label on an axis, in characters, its position not counted.
LONGEST_LABEL = 20

# Cells that a query may not look at, by whether the page is dark.
NOT_ATTENDED = {False: "#e9ebee", True: "#39424d"}

# Where the sink's strip ends and the pattern begins, as shares of the width.
STRIP = (0.05, 0.07)

# Weights below this are the bottom of the logarithmic scale.
LOG_FLOOR = 1e-4


def pattern_figure(shown: Shown, *, display: Display, dark: bool, height: int = 560) -> go.Figure:
    """Draw a pattern.

    Each cell is how much the row's token (query) looks at the column's token (key); those that the
    query may not look at are grey, so that they are not taken for weights of zero. With the sink
    left out, its weight stands in a strip of its own on the left. Hover gives the stored weight and
    the number as displayed.

    Args:
        shown: from `viz.figures.display_options.apply`.
        display: how it was prepared; gives palette and scale.
        dark: whether the page is dark.
        height: in pixels.
    """
    strip = shown.sink is not None
    colours = colorscale(display.palette, dark)
    # Names of the axes of the pattern itself; a strip stands on the first ones.
    axes = {"xaxis": "x2", "yaxis": "y2"} if strip else {"xaxis": "x", "yaxis": "y"}
    traces = []
    if shown.attended is not None:
        traces.append(_not_attended(shown, shown.attended, dark, axes))
    traces.append(_heatmap(shown, display, colours, axes))
    if shown.sink is not None:
        traces.append(_sink_strip(shown, shown.sink, colours))
    ink = "#e6ebf0" if dark else "#1b2430"
    # All at once, because each later change of a Plotly figure takes as long as to make it.
    return go.Figure(
        traces,
        {
            "height": height,
            "margin": {"l": 8, "r": 36, "t": 8, "b": 8},
            "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": ink, "size": 12},
            "hoverlabel": {"font": {"size": 13}},
            "dragmode": "zoom",
            **_axes(shown, strip=strip),
        },
    )


def _heatmap(
    shown: Shown, display: Display, colours: list[list[float | str]], axes: dict[str, str]
) -> go.Heatmap:
    z, bar = _coloured(shown.values, display.scale)
    if shown.attended is not None:
        z = np.where(shown.attended, z, np.float32("nan"))
    as_stored = np.array_equal(shown.raw, shown.values)
    return go.Heatmap(
        z=z,
        x=_names(shown.key_labels, shown.key_positions),
        y=_names(shown.query_labels, shown.query_positions),
        customdata=_hover_numbers(shown),
        hovertemplate=(
            "query <b>%{y}</b> attends to key <b>%{x}</b><br>weight %{customdata[0]:.6g}"
            + ("" if as_stored else "<br>as displayed %{customdata[1]:.3g}")
            + "<extra></extra>"
        ),
        colorscale=colours,
        zmin=bar["zmin"],
        zmax=bar["zmax"],
        xgap=_gap(shown),
        ygap=_gap(shown),
        colorbar=bar["colorbar"],
        hoverongaps=False,
        **axes,
    )


def _not_attended(
    shown: Shown, attended: NDArray[np.bool_], dark: bool, axes: dict[str, str]
) -> go.Heatmap:
    """Draw what the mask forbids in grey."""
    grey = NOT_ATTENDED[dark]
    gap = _gap(shown)
    return go.Heatmap(
        z=np.where(attended, np.float32("nan"), np.float32(0)),
        x=_names(shown.key_labels, shown.key_positions),
        y=_names(shown.query_labels, shown.query_positions),
        hovertemplate="query <b>%{y}</b> may not attend to key <b>%{x}</b><extra></extra>",
        colorscale=[[0.0, grey], [1.0, grey]],
        showscale=False,
        hoverongaps=False,
        xgap=gap,
        ygap=gap,
        **axes,
    )


def _gap(shown: Shown) -> float:
    """Leave a hair between cells where they are large enough."""
    return 0.5 if max(shown.values.shape) <= 40 else 0


def _sink_strip(
    shown: Shown, sink: NDArray[np.float32], colours: list[list[float | str]]
) -> go.Heatmap:
    return go.Heatmap(
        z=sink[:, None],
        x=[_plain(shown.sink_label)],
        y=_names(shown.query_labels, shown.query_positions),
        hovertemplate="%{y} attends to the sink %{x}<br>weight %{z:.6g}<extra></extra>",
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
    bar: dict[str, object] = {
        "orientation": "h",
        "thickness": 10,
        "outlinewidth": 0,
        "len": 1.0,
        "y": 1.0,
        "yanchor": "bottom",
    }
    if scale == "linear":
        bar |= {"title": {"text": "weight", "side": "top"}, "tickformat": ".2~g"}
        return values, {"zmin": 0.0, "zmax": largest, "colorbar": bar}
    exponents = list(range(int(np.log10(LOG_FLOOR)), 1))
    bar |= {
        "title": {"text": "weight (log)", "side": "top"},
        "tickvals": exponents,
        "ticktext": [f"{10.0**exponent:g}" for exponent in exponents],
    }
    logs = np.log10(np.maximum(values, LOG_FLOOR)).astype(np.float32)
    return logs, {"zmin": float(exponents[0]), "zmax": 0.0, "colorbar": bar}


def _hover_numbers(shown: Shown) -> NDArray[np.float32]:
    return np.stack([shown.raw, shown.values], axis=-1)


def _axes(shown: Shown, *, strip: bool) -> dict[str, dict[str, object]]:
    """Name the axes and thin the labels out until they do not overlap."""
    common = {"showgrid": False, "zeroline": False, "ticks": "", "type": "category"}
    down = {**common, **_thinned(shown.query_labels), "autorange": "reversed"}
    few = len(shown.key_labels) <= SLANTED_LABELS
    angle = {"tickangle": -60 if few else -90}
    named = {"title": {"text": "key (attended to)" + _form(shown.key_labels)}}
    across = {**common, **_thinned(shown.key_labels), **named, **angle}
    title = {"text": "query (attends)" + _form(shown.query_labels)}
    if not strip:
        return {"xaxis": across, "yaxis": {**down, "title": title}}
    return {
        "xaxis": {**common, "tickangle": -90, "domain": [0, STRIP[0]], "anchor": "y"},
        "yaxis": {**down, "title": title, "anchor": "x"},
        "xaxis2": {**across, "domain": [STRIP[1], 1], "anchor": "y2"},
        "yaxis2": {**down, "anchor": "x2", "matches": "y", "showticklabels": False},
    }


def _thinned(labels: Sequence[str]) -> dict[str, object]:
    """Bound how many labels an axis has, and how large they are."""
    most = MOST_PLACES if _are_places(labels) else MOST_LABELS
    if min(len(labels), most) <= MOST_LARGE:
        return {"nticks": most}
    return {"nticks": most, "tickfont": {"size": SMALL_SIZE}}


def _form(labels: Sequence[str]) -> str:
    """Say what names of patches are made of; "" for others."""
    is_picture = _are_places(labels) and any("," in label for label in labels)
    return ", patches as row,column" if is_picture else ""


def _are_places(labels: Sequence[str]) -> bool:
    """Whether names say where patches or frames stand; special tokens may stand among them."""
    return len(set(labels)) == len(labels) and any(PLACE.fullmatch(label) for label in labels)


def _names(labels: Sequence[str], positions: Sequence[str]) -> list[str]:
    """Name rows or columns so that no two are alike, which Plotly needs of categories."""
    if _are_places(labels):
        return [_plain(_short(label)) for label in labels]
    return [
        f"{_isolated(_plain(_short(label)))} {position}".strip()
        for label, position in zip(labels, positions, strict=True)
    ]


def _isolated(label: str) -> str:
    """Keep a token that is written from the right from moving to the other side of its position."""
    if any(unicodedata.bidirectional(one) in RIGHT_TO_LEFT for one in label):
        return f"{FIRST_STRONG}{label}{POP}"
    return label


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _plain(label: str) -> str:
    """Make Plotly show a token's own angle brackets instead of reading them as markup."""
    return html.escape(label, quote=False)
