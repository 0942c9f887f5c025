"""Measures on patterns and on what a pass predicted."""

from viz.analysis import exports  # noqa: F401 - adds the formats of files
from viz.analysis.export_format import EXPORT_FORMATS, ExportFormat, HeadToExport
from viz.analysis.first_view import Opening, opening, opening_stack
from viz.analysis.head_patterns import (
    Targets,
    induction_targets,
    lag_targets,
    previous_targets,
    reverse_targets,
    same_targets,
    sorting_targets,
)
from viz.analysis.head_scores import (
    BestHead,
    HeadScores,
    induction_scores,
    lag_scores,
    mean_scores,
    previous_token_scores,
    reverse_scores,
    sorting_scores,
    target_scores,
)
from viz.analysis.strongest_edges import strongest_edges
from viz.analysis.token_predictions import Predictions, predictions

__all__ = [
    "EXPORT_FORMATS",
    "BestHead",
    "ExportFormat",
    "HeadScores",
    "HeadToExport",
    "Opening",
    "Predictions",
    "Targets",
    "induction_scores",
    "induction_targets",
    "lag_scores",
    "lag_targets",
    "mean_scores",
    "opening",
    "opening_stack",
    "predictions",
    "previous_targets",
    "previous_token_scores",
    "reverse_scores",
    "reverse_targets",
    "same_targets",
    "sorting_scores",
    "sorting_targets",
    "strongest_edges",
    "target_scores",
]
