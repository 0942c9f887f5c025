"""What is explained: which prediction, where it is made, and by which of its numbers."""

from __future__ import annotations

from typing import Any, Literal

from components.explore_session import change, view
from viz.effects import Objective, Target
from viz.service import Analysis

# What is said of a prediction, and in which unit.
MEASURES = {
    "difference": ("Difference of two", "logits"),
    "logit": ("Logit alone", "logits"),
    "log_probability": ("Log-probability", "nats"),
}

# Units of what has no tokens or classes.
UNITS = {"similarity": "cosine", "direction": "projection"}


def prediction_place(analysis: Analysis) -> tuple[int, str]:
    """Choose where to predict: the pinned token, a mask, or the end."""
    seen, stacks = view(), analysis.trace.stacks
    written = analysis.trace.model.kind == "seq2seq" and "decoder" in stacks
    units = stacks["decoder"].queries if written else analysis.trace.units
    pinned = seen.token if 0 <= seen.token < len(units) and seen.stack != "encoder" else None
    if analysis.trace.model.kind in ("causal", "seq2seq"):
        at = len(units) - 1 if pinned is None else pinned
        return at, f"Most probable next tokens after {units.labels[at]} ({at})"
    mask = getattr(analysis.tokenizer, "mask_token_id", None)
    masked = [index for index, number in enumerate(units.ids) if number == mask]
    at = pinned if pinned is not None else (masked[0] if masked else 0)
    return at, f"What the model would put at {units.labels[at]} ({at})"


def is_compared(analysis: Analysis) -> bool:
    """Whether the model says neither tokens nor classes, so that a text is compared with another."""
    return analysis.predictions is None and not analysis.classes


def target_of(analysis: Analysis) -> Target | None:
    """Return what is explained; None where a text to compare with is still to be given."""
    seen = view()
    if is_compared(analysis):
        return Target(similar_to=seen.similar) if seen.similar else None
    place, _ = prediction_place(analysis)
    count = choices(analysis)
    against = _or_none(seen.against, count) if seen.measure == "difference" else None
    return Target(place, _or_none(seen.predict, count), against, seen.measure)


def choices(analysis: Analysis) -> int:
    """Return how many tokens or classes the model has a number for."""
    if analysis.predictions is None:
        return len(analysis.classes)
    # A model may have more numbers than its tokenizer has tokens.
    sizes = [len(one) for one in analysis.predictions.whole.values()]
    tokenizer: Any = analysis.tokenizer
    return max(sizes, default=len(tokenizer))


def unit_of(explained: Objective) -> str:
    """Name the unit of what is explained."""
    known = MEASURES.get(explained.measure)
    return UNITS[explained.measure] if known is None else known[1]


def explain(name: Literal["predict", "against"], number: int) -> None:
    """Explain a token or a class, or compare with it; -1 for the most probable."""
    change(**{name: number})
    if view().predict == view().against >= 0:
        # What is compared with another takes over.
        change(**{"against" if name == "predict" else "predict": -1})


def _or_none(number: int, count: int) -> int | None:
    """Return a number of a link; None, the most probable, where the model has none such."""
    return number if 0 <= number < count else None
