"""Exact weights out of a trace: slices, statistics, pictures."""

from viz.patterns.arrangement import LAYER, Bounds, arrange
from viz.patterns.detail import HeadDetail, head_detail
from viz.patterns.edges import MOST_KEYS, Edges, largest_edges
from viz.patterns.glances import glances
from viz.patterns.overview import (
    LayerSurvey,
    Statistics,
    Survey,
    Thumbnails,
    overview,
    statistics,
    survey,
    survey_layer,
    surveyed,
    thumbnails,
)
from viz.patterns.pooling import pool_edges, row
from viz.patterns.pyramid import Address, levels, tile
from viz.patterns.rows import RowStatistics
from viz.patterns.streamed import row_statistics

__all__ = [
    "LAYER",
    "MOST_KEYS",
    "Address",
    "Bounds",
    "Edges",
    "HeadDetail",
    "LayerSurvey",
    "RowStatistics",
    "Statistics",
    "Survey",
    "Thumbnails",
    "arrange",
    "glances",
    "head_detail",
    "largest_edges",
    "levels",
    "overview",
    "pool_edges",
    "row",
    "row_statistics",
    "statistics",
    "survey",
    "survey_layer",
    "surveyed",
    "thumbnails",
    "tile",
]
