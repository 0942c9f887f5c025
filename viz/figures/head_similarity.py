"""All heads against all heads: their divergences in the order of a tree, and a map of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from viz.compare import Branch, Order, Places, Similarity
from viz.figures.palettes import OKABE_ITO, colorscale, palette_rgb

Head = tuple[int, int]

# The palette of layers: the middle of the matrix's own is grey.
LAYERS = "viridis"

# Shares of the width and height: a tree, the layers' strip, the matrix.
TREE, STRIP, MATRIX = (0.0, 0.13), (0.14, 0.165), (0.175, 1.0)

# From so many heads on, names on an axis overlap.
MOST_NAMED = 32

# Up to so many pairs each can be clicked: markers beyond that make a page slow.
MOST_CLICKED = 2_500

# Thicker lines do not show how the leaves of many heads meet.
FEW_HEADS = 150

# Behind what a pointer reads, where a trace has no colour of its own.
POINTED = "#5b6673"

# The part of the palette that layers have, by whether the page is dark: its ends do not stand out.
ENDS = {False: (0.12, 0.9), True: (0.35, 0.95)}


def similarity_figure(
    found: Similarity,
    order: Order,
    *,
    selected: Sequence[Head] = (),
    dark: bool = False,
    palette: str = "cividis",
    height: int = 640,
) -> go.Figure:
    """Draw how far heads are from each other, those that look alike beside each other.

    A cell is the divergence of the row's head from the column's: 0 where they look alike. Trees on both
    sides say at which divergence heads and groups of them meet; the strip along a tree has the colour
    of each head's layer, and can be clicked. `customdata` of a strip is (layer, head); of cells, where
    there are few, it is (layer, head, other layer, other head).

    Args:
        found: from `viz.compare.head_similarity`.
        order: from `viz.compare.order`.
        selected: heads of the rows (of one stack, of the columns too) that are marked.
        dark: whether the page is dark.
        palette: one of `viz.figures.palettes.SEQUENTIAL`.
        height: in pixels.
    """
    rows = [found.heads[place] for place in order.rows.order]
    columns = [found.other_heads[place] for place in order.columns.order]
    values = found.divergence[np.ix_(order.rows.order, order.columns.order)]
    ink, _ = _inks(dark)
    traces: list[go.Scatter | go.Heatmap] = [
        _cells(values, dark, palette),
        *_clicked(values, rows, columns),
        _tree(order.rows, ink, upright=False, units=_units(found)),
        _tree(order.columns, ink, upright=True, units=_units(found)),
        _strip(rows, dark, upright=False),
        _strip(columns, dark, upright=True),
    ]
    return go.Figure(
        traces,
        {
            **_plain_layout(dark, height),
            **_beside(found, len(rows) <= MOST_NAMED),
            "shapes": _marks(rows, columns, selected, found.alone, ink),
            "xaxis": _axis(columns, MATRIX, "y", "" if found.alone else "heads of the second side"),
            "yaxis": {**_axis(rows, _down(MATRIX), "x", ""), "autorange": False}
            | {"range": [len(rows) - 0.5, -0.5]},
            "xaxis2": {**_bare(TREE, "y2"), "autorange": "reversed"},
            "yaxis2": {**_bare(_down(MATRIX), "x2"), "matches": "y"},
            "xaxis3": {**_bare(MATRIX, "y3"), "matches": "x"},
            "yaxis3": _bare(_down(TREE), "x3"),
            "xaxis4": {**_bare(STRIP, "y4"), "range": [-0.5, 0.5], "fixedrange": True},
            "yaxis4": {**_bare(_down(MATRIX), "x4"), "matches": "y"},
            "xaxis5": {**_bare(MATRIX, "y5"), "matches": "x"},
            "yaxis5": {**_bare(_down(STRIP), "x5"), "range": [-0.5, 0.5], "fixedrange": True},
        },
    )


def places_figure(
    places: Places,
    *,
    selected: Sequence[Head] = (),
    dark: bool = False,
    palette: str = LAYERS,
    height: int = 560,
) -> go.Figure:
    """Draw heads as points: the nearer two stand, the more they look alike.

    Axes mean nothing by themselves, and are equally long. `customdata` is (layer, head).

    Args:
        places: from `viz.compare.head_positions`.
        selected: heads that are ringed and named.
        dark: whether the page is dark.
        palette: of the layers.
        height: in pixels.
    """
    ink, grid = _inks(dark)
    layers = [layer for layer, _ in places.heads]
    traces = [
        go.Scatter(
            x=places.points[:, 0],
            y=places.points[:, 1],
            mode="markers",
            marker={
                "size": 11 if len(layers) <= FEW_HEADS else 7,
                "color": layers,
                "colorscale": _layer_scale(palette, dark),
                "cmin": 0,
                "cmax": max(1, *layers),
                "line": {"width": 0.5, "color": ink},
                "colorbar": _bar("layer") | {"dtick": max(1, round(max(layers) / 8))},
            },
            customdata=np.array(places.heads, dtype=np.int32).reshape(-1, 2),
            hovertemplate="layer %{customdata[0]} head %{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    ]
    chosen = [places.heads.index(head) for head in selected if head in places.heads]
    if chosen:
        traces.append(_rings(places, chosen, ink))
    low, high = places.points.min(axis=0), places.points.max(axis=0)
    # Both axes reach equally far, with space for rings and names at the edge.
    reach = 0.56 * float((high - low).max()) or 1.0
    ranges = [[float(middle - reach), float(middle + reach)] for middle in (low + high) / 2]
    axis = {"gridcolor": grid, "zeroline": False, "showticklabels": False, "constrain": "domain"}
    return go.Figure(
        traces,
        {
            **_plain_layout(dark, height),
            "xaxis": {**axis, "range": ranges[0]},
            "yaxis": {**axis, "range": ranges[1], "scaleanchor": "x"},
        },
    )


def _cells(values: NDArray[np.float64], dark: bool, palette: str) -> go.Heatmap:
    """Draw divergences from 0 up; what is alike stands out, so the palette is turned round."""
    colours = [[1 - float(place), colour] for place, colour in colorscale(palette, dark)]
    return go.Heatmap(
        z=values.astype(np.float32),
        zmin=0.0,
        zmax=float(np.nanmax(values, initial=0.0)) or 1.0,
        colorscale=colours[::-1],
        colorbar=_bar("divergence (nats), 0 is alike"),
        # The axes' names of rows and columns are long, and few are drawn; a pointer reads them all.
        hovertemplate="%{y} ~ %{x}: %{z:.3f} nats<extra></extra>",
        hoverongaps=False,
    )


def _clicked(
    values: NDArray[np.float64], rows: list[Head], columns: list[Head]
) -> list[go.Scatter]:
    """Lay markers that nobody sees over the cells, which can be clicked where cells cannot."""
    if values.size > MOST_CLICKED:
        return []
    down, across = (place.ravel() for place in np.indices(values.shape))
    return [
        go.Scatter(
            x=across,
            y=down,
            mode="markers",
            marker={"symbol": "square", "size": 10, "opacity": 0, "color": POINTED},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            customdata=np.hstack([np.array(rows)[down], np.array(columns)[across]]),
            text=values.ravel(),
            hovertemplate="layer %{customdata[0]} head %{customdata[1]} ~ "
            "layer %{customdata[2]} head %{customdata[3]}: %{text:.3f} nats<extra></extra>",
            showlegend=False,
        )
    ]


def _tree(branch: Branch, ink: str, *, upright: bool, units: str) -> go.Scatter:
    """Draw a tree whose leaves stand beside rows (lying) or above columns (upright)."""
    places: list[float | None] = []
    heights: list[float | None] = []
    if len(branch.linkage):
        drawn = dendrogram(branch.linkage, no_plot=True)
        for along, up in zip(drawn["icoord"], drawn["dcoord"], strict=True):
            # SciPy sets its leaves at 5, 15, 25, ...
            places += [*((place - 5) / 10 for place in along), None]
            heights += [*up, None]
    x, y = (places, heights) if upright else (heights, places)
    axes = {"xaxis": "x3", "yaxis": "y3"} if upright else {"xaxis": "x2", "yaxis": "y2"}
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        cliponaxis=False,
        line={"color": ink, "width": 1 if len(branch.order) <= FEW_HEADS else 0.5},
        hovertemplate=f"meet at %{{{'y' if upright else 'x'}:.3f}}{units}<extra></extra>",
        showlegend=False,
        **axes,
    )


def _strip(heads: list[Head], dark: bool, *, upright: bool) -> go.Scatter:
    """Draw a mark for each head in the colour of its layer."""
    along, still = np.arange(len(heads)), np.zeros(len(heads))
    axes = {"xaxis": "x5", "yaxis": "y5"} if upright else {"xaxis": "x4", "yaxis": "y4"}
    layers = [layer for layer, _ in heads]
    return go.Scatter(
        x=along if upright else still,
        y=still if upright else along,
        mode="markers",
        marker={
            "symbol": "square",
            "size": 10 if len(heads) <= MOST_NAMED else 7,
            "color": layers,
            "colorscale": _layer_scale(LAYERS, dark),
            "cmin": 0,
            "cmax": max(1, *layers),
        },
        customdata=np.array(heads, dtype=np.int32).reshape(-1, 2),
        hovertemplate="layer %{customdata[0]} head %{customdata[1]}<extra></extra>",
        showlegend=False,
        **axes,
    )


def _rings(places: Places, chosen: list[int], ink: str) -> go.Scatter:
    return go.Scatter(
        x=places.points[chosen, 0],
        y=places.points[chosen, 1],
        mode="markers+text",
        marker={
            "symbol": "circle-open",
            "size": 20,
            "line": {"width": 3},
            "color": [OKABE_ITO[number % len(OKABE_ITO)] for number in range(len(chosen))],
        },
        text=["layer {} head {}".format(*places.heads[place]) for place in chosen],
        textposition=[
            "middle left" if places.points[place, 0] > 0 else "middle right" for place in chosen
        ],
        textfont={"color": ink, "size": 13},
        hoverinfo="skip",
        showlegend=False,
    )


def _marks(
    rows: list[Head], columns: list[Head], selected: Sequence[Head], alone: bool, ink: str
) -> list[dict[str, Any]]:
    """Outline the rows of selected heads, and of one stack their columns."""
    shapes: list[dict[str, Any]] = []
    right, bottom = len(columns) - 0.5, len(rows) - 0.5
    for number, head in enumerate(selected):
        boxes: list[dict[str, Any]] = []
        if head in rows:
            at = rows.index(head)
            boxes.append({"x0": -0.5, "x1": right, "y0": at - 0.5, "y1": at + 0.5})
        if alone and head in columns:
            at = columns.index(head)
            boxes.append({"x0": at - 0.5, "x1": at + 0.5, "y0": -0.5, "y1": bottom})
        lines = [{"color": OKABE_ITO[number % len(OKABE_ITO)], "width": 2}]
        if max(len(rows), len(columns)) <= MOST_NAMED:
            # A line of ink around keeps an outline apart from cells of its own hue; thin rows it hides.
            lines.insert(0, {"color": ink, "width": 4})
        for line in lines:
            shapes += [{"type": "rect", "line": line, **box} for box in boxes]
    return shapes


def _layer_scale(palette: str, dark: bool) -> list[list[float | str]]:
    """Make a colour scale without its ends, which are the page's own colour and near black or white."""
    colours = palette_rgb(palette, dark)
    first, last = (round(end * (len(colours) - 1)) for end in ENDS[dark])
    places = np.linspace(first, last, 16).round().astype(int)
    return [
        [number / 15, "rgb({},{},{})".format(*colours[place])]
        for number, place in enumerate(places)
    ]


def _beside(found: Similarity, named: bool) -> dict[str, Any]:
    """Say whose heads the rows are, where there are two sides; Plotly lays such a title over the cells."""
    if found.alone:
        return {}
    side = {"text": "heads of the first side", "textangle": 90, "showarrow": False}
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 0.4, "xanchor": "left"}
    # Beyond the names of the rows.
    shift = 44 if named else 6
    return {
        "annotations": [{**side, **place, "xshift": shift}],
        "margin": {"l": 8, "r": shift + 26, "t": 8, "b": 8},
    }


def _units(found: Similarity) -> str:
    """Name what the height of a tree is."""
    return " nats" if found.alone else ""


def _axis(
    heads: list[Head], domain: tuple[float, float], anchor: str, title: str
) -> dict[str, Any]:
    """Name heads for the eye, short, where there is space, and else for the pointer alone."""
    few = len(heads) <= MOST_NAMED
    name = "L{} H{}" if few else "layer {} head {}"
    return {
        **_bare(domain, anchor),
        "title": {"text": title, "standoff": 6},
        "automargin": True,
        "tickmode": "array",
        "tickvals": list(range(len(heads))),
        "ticktext": [name.format(*head) for head in heads],
        "tickangle": -90 if anchor == "y" else 0,
        "showticklabels": few,
        "side": "bottom" if anchor == "y" else "right",
        "range": [-0.5, len(heads) - 0.5],
    }


def _bare(domain: tuple[float, float], anchor: str) -> dict[str, Any]:
    return {
        "domain": list(domain),
        "anchor": anchor,
        "showgrid": False,
        "zeroline": False,
        "showticklabels": False,
        "ticks": "",
    }


def _down(domain: tuple[float, float]) -> tuple[float, float]:
    """Turn shares from the top into shares from the bottom, as Plotly counts them."""
    return 1 - domain[1], 1 - domain[0]


def _bar(title: str) -> dict[str, Any]:
    return {
        "orientation": "h",
        "thickness": 10,
        "outlinewidth": 0,
        "len": 1.0,
        "y": 1.0,
        "yanchor": "bottom",
        "title": {"text": title, "side": "top"},
    }


def _inks(dark: bool) -> tuple[str, str]:
    """Return the colours of text and of lines behind it."""
    return ("#e6ebf0", "#2b3542") if dark else ("#1b2430", "#dfe4e9")


def _plain_layout(dark: bool, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": _inks(dark)[0], "size": 12},
        "hovermode": "closest",
    }
