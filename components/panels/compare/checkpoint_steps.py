"""Steps from a beginning on: the checkpoints of a training, or models of which the first is the base."""

from __future__ import annotations

from components.panels.compare.compare_url import choice, view
from components.panels.compare.many_models_panel import models_panel
from components.panels.compare.run_both_sides import Both
from components.panels.compare.training_checkpoints import training_panel

ALONG = {"training": "Along a training", "models": "Along models"}


def checkpoints_panel(runs: Both) -> None:
    """Follow every head from the first of several steps on, and show one at two of them."""
    choice("along", "Steps", ALONG, step=-1)
    if view().along == "training":
        training_panel(runs)
    else:
        models_panel(runs)
