"""What to choose instead of a model that is not known: the one that may be meant, and all that are."""

from __future__ import annotations

from difflib import get_close_matches

from viz.command import typed
from viz.models.catalogue import ALIASES, CATALOGUE


def did_you_mean(name: str) -> str:
    """Ask for the model of the catalogue whose name is like one that is not known; "" where none is."""
    last = name.lower().rstrip("/").rsplit("/", 1)[-1]
    near = get_close_matches(last, [*CATALOGUE, *ALIASES], 1)
    return f"Did you mean {near[0]}?" if near else ""


def other_models(name: str) -> str:
    """Say which models can be chosen instead of one that is not known, the one that may be meant first."""
    *first, last = CATALOGUE
    known = (
        f"The catalogue has {', '.join(first)} and {last}; {typed('models')} says what they are."
    )
    return f"{did_you_mean(name)} {known}".lstrip()
