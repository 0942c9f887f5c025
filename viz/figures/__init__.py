"""Plotly figures and palettes; numpy in, figures out."""

from viz.figures.compared_media import picture_difference_figure, sounds_figure
from viz.figures.compared_patterns import difference_figure, multiples_figure
from viz.figures.display_options import Display, Shown, apply, sink_of, span_words
from viz.figures.head_changes import changed_figure, curves_figure
from viz.figures.head_effects import effects_figure
from viz.figures.head_matrix import statistic_figure
from viz.figures.head_similarity import places_figure, similarity_figure
from viz.figures.layer_effects import layer_effects_figure
from viz.figures.line_charts import Curve, cost_figure, growth_figure, spectrum_figure
from viz.figures.media_overlay import (
    patch_at,
    picture_figure,
    sound_figure,
    usual_query,
)
from viz.figures.order_curves import order_curves_figure
from viz.figures.palettes import (
    OKABE_ITO,
    SEQUENTIAL,
    diverging_rgb,
    hex_rgb,
    palette_rgb,
)
from viz.figures.pattern_heatmap import NOT_ATTENDED, pattern_figure
from viz.figures.score_map import score_map_figure
from viz.figures.shaded_tokens import shaded
from viz.figures.small_matrix import matrix_figure
from viz.figures.text_layout import text_layout

__all__ = [
    "NOT_ATTENDED",
    "OKABE_ITO",
    "SEQUENTIAL",
    "Curve",
    "Display",
    "Shown",
    "apply",
    "changed_figure",
    "cost_figure",
    "curves_figure",
    "difference_figure",
    "diverging_rgb",
    "effects_figure",
    "growth_figure",
    "hex_rgb",
    "layer_effects_figure",
    "matrix_figure",
    "multiples_figure",
    "order_curves_figure",
    "palette_rgb",
    "patch_at",
    "pattern_figure",
    "picture_difference_figure",
    "picture_figure",
    "places_figure",
    "score_map_figure",
    "shaded",
    "similarity_figure",
    "sink_of",
    "sound_figure",
    "sounds_figure",
    "span_words",
    "spectrum_figure",
    "statistic_figure",
    "text_layout",
    "times_of",
    "usual_query",
]
