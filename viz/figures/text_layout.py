"""How things lie on the page: the words and lines of a text, the name of an axis."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from viz.inputs.units import Units


def text_layout(units: Units) -> dict[str, list[Any]]:
    """Lay a text out for a browser.

    Args:
        units: what an axis counts.

    Returns:
        Lists of one entry a unit: `labels`, whether it is `special`, whether it `starts` a word, and
        whether a line `breaks` after it.
    """
    before = (None, *units.words[:-1])
    return {
        "labels": list(units.labels),
        "special": list(units.special),
        "starts": [word != last for word, last in zip(units.words, before, strict=True)],
        "breaks": ["\n" in text for text in units.texts],
    }


def name_below(figure: go.Figure, pixels: int) -> go.Figure:
    """Write the name of the horizontal axis so far below it, wherever Plotly would put it."""
    name = figure.layout.xaxis.title.text
    figure.update_xaxes(title_text="")
    return figure.add_annotation(
        text=name,
        showarrow=False,
        xref="paper",
        x=0.5,
        yref="paper",
        y=0,
        yanchor="top",
        yshift=-pixels,
        font={"size": 14},
    )
