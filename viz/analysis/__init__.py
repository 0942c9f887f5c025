"""Measures on patterns and on what a pass predicted."""

from viz.analysis.edges import strongest_edges
from viz.analysis.predictions import Predictions, predictions

__all__ = ["Predictions", "predictions", "strongest_edges"]
