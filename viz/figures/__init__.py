"""Plotly figures and palettes; numpy in, figures out."""

from viz.figures.display import Display, Shown, apply, sink_of, span_words
from viz.figures.overview import statistic_figure
from viz.figures.palettes import OKABE_ITO, SEQUENTIAL, palette_rgb
from viz.figures.pattern import pattern_figure

__all__ = [
    "OKABE_ITO",
    "SEQUENTIAL",
    "Display",
    "Shown",
    "apply",
    "palette_rgb",
    "pattern_figure",
    "sink_of",
    "span_words",
    "statistic_figure",
]
