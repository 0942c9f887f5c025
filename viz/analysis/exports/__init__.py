"""Formats of files that hold a head, one file each: a new one is a file here, and a name in the line below."""

from viz.analysis.exports import edges_csv

__all__ = ["edges_csv"]
