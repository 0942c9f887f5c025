"""Two sides against each other: what belongs together, and how far apart they are."""

from viz.compare.aligned_units import Alignment, coarser, identical
from viz.compare.checkpoint_distance import curves
from viz.compare.compared_side import Side, side_of
from viz.compare.comparison import Comparison, aligned_units, compare, compare_sides
from viz.compare.divergence import (
    centre_shift,
    cosine,
    jensen_shannon,
    rank_correlation,
    total_variation,
)
from viz.compare.edit_effects import Effects, effects
from viz.compare.head_changes import Changed, changed
from viz.compare.head_clusters import Branch, Order, order
from viz.compare.head_positions import Places, places
from viz.compare.head_similarity import Near, Similarity, like, similar_heads, similarity
from viz.compare.minimal_pairs import Variant, Variants, edited
from viz.compare.prediction_change import Outcome, counterpart, outcome
from viz.compare.text_template import filled
from viz.compare.unit_alignment import align
from viz.compare.variant_table import from_csv
from viz.compare.weights_in_common_units import move

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
