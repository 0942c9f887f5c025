"""Exact weights out of a trace: slices, statistics, pictures."""

from viz.patterns.overview import Statistics, Thumbnails, overview, statistics, thumbnails
from viz.patterns.pooling import column, pool_edges, pooled, row

__all__ = [
    "Statistics",
    "Thumbnails",
    "column",
    "overview",
    "pool_edges",
    "pooled",
    "row",
    "statistics",
    "thumbnails",
]
