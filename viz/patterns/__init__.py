"""Exact weights out of a trace: slices, statistics, pictures."""

from viz.patterns.detail import HeadDetail, head_detail
from viz.patterns.overview import (
    LayerSurvey,
    Statistics,
    Survey,
    Thumbnails,
    overview,
    statistics,
    survey,
    thumbnails,
)
from viz.patterns.pooling import column, pool_edges, pooled, row
from viz.patterns.pyramid import Address, levels, tile
from viz.patterns.streamed import RowStatistics, row_statistics

__all__ = [
    "Address",
    "HeadDetail",
    "LayerSurvey",
    "RowStatistics",
    "Statistics",
    "Survey",
    "Thumbnails",
    "column",
    "head_detail",
    "levels",
    "overview",
    "pool_edges",
    "pooled",
    "row",
    "row_statistics",
    "statistics",
    "survey",
    "thumbnails",
    "tile",
]
