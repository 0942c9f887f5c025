"""Plotly figures and palettes; numpy in, figures out."""

from viz.figures.display import Display, Shown, apply, sink_of, span_words
from viz.figures.layout import text_layout
from viz.figures.media import (
    patch_at,
    picture_figure,
    sound_figure,
    times_of,
    usual_query,
)
from viz.figures.overview import statistic_figure
from viz.figures.palettes import (
    OKABE_ITO,
    SEQUENTIAL,
    diverging_rgb,
    hex_rgb,
    palette_rgb,
)
from viz.figures.pattern import NOT_ATTENDED, pattern_figure

__all__ = [
    "NOT_ATTENDED",
    "OKABE_ITO",
    "SEQUENTIAL",
    "Display",
    "Shown",
    "apply",
    "diverging_rgb",
    "hex_rgb",
    "palette_rgb",
    "patch_at",
    "pattern_figure",
    "picture_figure",
    "sink_of",
    "sound_figure",
    "span_words",
    "statistic_figure",
    "text_layout",
    "times_of",
    "usual_query",
]
