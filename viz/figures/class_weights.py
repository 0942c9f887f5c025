"""What a head looks at from tokens of each class, over what it would by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from viz.figures.small_matrix import diverging_scale
from viz.figures.text_layout import name_below

INK = {False: "#1b2430", True: "#e6ebf0"}

# Weight over chance at which the colours end at least: 5 % of a query's weight.
LEAST = 0.05

# Of a row, and of what lies around all of them, in pixels.
ROW, AROUND = 26, 180

# Beside the names of classes, and of a letter of them.
BESIDE, LETTER = 36, 6.5


def class_weights_figure(classes: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Draw classes of queries down and of keys across: red where more weight goes than by chance, blue where less.

    Args:
        classes: looks_from, looks_at, weight, chance, counted; a row a pair.
        dark: whether the page is dark.
    """
    order = list(dict.fromkeys(classes["looks_from"]))
    columns = list(dict.fromkeys(classes["looks_at"]))
    table = classes.assign(over=classes["weight"] - classes["chance"]).set_index(
        ["looks_from", "looks_at"]
    )

    def of(name: str) -> np.ndarray:
        wide = table[name].unstack("looks_at")
        return wide.reindex(index=order, columns=columns).to_numpy(float)

    over = of("over")
    known = np.abs(over[np.isfinite(over)])
    largest = max(LEAST, float(known.max()) if known.size else 0.0)
    figure = go.Figure(
        go.Heatmap(
            z=over,
            x=columns,
            y=order,
            customdata=np.stack([of("weight"), of("chance"), of("counted")], axis=-1),
            hovertemplate="from %{y} to %{x}<br>%{customdata[0]:.1%} of the weight, %{customdata[1]:.1%} by chance"
            "<br>%{customdata[2]:,} queries<extra></extra>",
            colorscale=diverging_scale(dark),
            zmin=-largest,
            zmax=largest,
            xgap=1,
            ygap=1,
            colorbar={
                "orientation": "h",
                "thickness": 8,
                "outlinewidth": 0,
                "y": 1.0,
                "yanchor": "bottom",
                "tickformat": "+.0%",
                "nticks": 5,
                "title": {"text": "weight over chance", "side": "top"},
            },
        )
    )
    longest = max(map(len, order), default=0)
    figure.update_xaxes(title_text="looks at", tickangle=-45, showgrid=False)
    figure.update_yaxes(title_text="looks from", autorange="reversed", showgrid=False)
    figure.update_layout(
        height=AROUND + ROW * len(order),
        # Margins that grow by themselves leave a hand's breadth free above a colour bar.
        margin={
            "l": BESIDE + LETTER * longest,
            "r": 8,
            "t": 62,
            "b": 118,
            "pad": 0,
            "autoexpand": False,
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK[dark], "size": 12},
    )
    # Where a bar lies above a figure of few rows, Plotly writes the name of the axis on its numbers.
    return name_below(figure, 82)
