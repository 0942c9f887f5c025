"""Measures on patterns and on what a pass predicted."""

from viz.analysis.edges import strongest_edges
from viz.analysis.predictions import fill_ins, next_tokens

__all__ = ["fill_ins", "next_tokens", "strongest_edges"]
