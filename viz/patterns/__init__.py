"""Exact weights out of a trace: slices, statistics, pictures."""

from viz.patterns.arrangement import LAYER, Bounds, arrange
from viz.patterns.detail import HeadDetail, head_detail
from viz.patterns.head_overview import (
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
from viz.patterns.max_pooling import pool_edges, row
from viz.patterns.query_in_all_heads import glances
from viz.patterns.row_statistics import RowStatistics
from viz.patterns.statistic import STATISTICS, Statistic, WeightBlock
from viz.patterns.streamed_statistics import row_statistics
from viz.patterns.tile_pyramid import Address, levels, tile
from viz.patterns.top_keys import MOST_KEYS, Edges, largest_edges

__all__ = [
    "LAYER",
    "MOST_KEYS",
    "STATISTICS",
    "Address",
    "Bounds",
    "Edges",
    "HeadDetail",
    "LayerSurvey",
    "RowStatistics",
    "Statistic",
    "Statistics",
    "Survey",
    "Thumbnails",
    "WeightBlock",
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
