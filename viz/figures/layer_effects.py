"""What a prediction becomes without each layer's attention, and without its MLP: bars, layer by layer."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from viz.figures.palettes import OKABE_ITO

NAMES = {"attention": "All heads", "mlp": "MLP"}


def layer_effects_figure(changes: pd.DataFrame, unit: str) -> go.Figure:
    """Draw the change without each part of each layer.

    Args:
        changes: columns part ("attention" or "mlp"), layer and change.
        unit: of the change.
    """
    figure = go.Figure()
    for number, (part, name) in enumerate(NAMES.items()):
        own = changes[changes["part"] == part].sort_values("layer")
        if not len(own):
            continue
        figure.add_trace(
            go.Bar(
                x=own["layer"],
                y=own["change"],
                name=name,
                marker_color=OKABE_ITO[number],
                hovertemplate=f"{name} of layer %{{x}}<br>%{{y:+.3g}} {unit}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="layer", dtick=1 if changes["layer"].nunique() <= 16 else None)
    figure.update_yaxes(title_text=f"change without it ({unit})", zeroline=True)
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
