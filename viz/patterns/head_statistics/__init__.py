"""Statistics of heads, one file each: a new one is a file here, and a name in the line below."""

from viz.patterns.head_statistics import entropy, distance, first, current, previous  # isort: skip

__all__ = ["current", "distance", "entropy", "first", "previous"]
