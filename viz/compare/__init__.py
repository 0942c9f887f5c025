"""Two sides against each other: what belongs together, and how far apart they are."""

from viz.compare.align import align
from viz.compare.alignment import Alignment, coarser, identical
from viz.compare.changed import Changed, changed
from viz.compare.clusters import Branch, Order, order
from viz.compare.comparison import Comparison, aligned_units, compare, compare_sides
from viz.compare.divergence import (
    centre_shift,
    cosine,
    jensen_shannon,
    rank_correlation,
    total_variation,
)
from viz.compare.edits import Variant, Variants, edited
from viz.compare.effects import Effects, effects
from viz.compare.moving import move
from viz.compare.outcome import Outcome, counterpart, outcome
from viz.compare.places import Places, places
from viz.compare.side import Side, side_of
from viz.compare.similarity import Near, Similarity, like, similar_heads, similarity
from viz.compare.steps import curves
from viz.compare.table import from_csv
from viz.compare.template import filled

__all__ = [
    "Alignment",
    "Branch",
    "Changed",
    "Comparison",
    "Effects",
    "Near",
    "Order",
    "Outcome",
    "Places",
    "Side",
    "Similarity",
    "Variant",
    "Variants",
    "align",
    "aligned_units",
    "centre_shift",
    "changed",
    "coarser",
    "compare",
    "compare_sides",
    "cosine",
    "counterpart",
    "curves",
    "edited",
    "effects",
    "filled",
    "from_csv",
    "identical",
    "jensen_shannon",
    "like",
    "move",
    "order",
    "outcome",
    "places",
    "rank_correlation",
    "side_of",
    "similar_heads",
    "similarity",
    "total_variation",
]
