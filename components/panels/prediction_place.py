"""Which prediction is listed and explained: where it is made, and of which token."""

from __future__ import annotations

from typing import Literal

from components.explore_session import change, view
from viz.effects import Target
from viz.service import Analysis


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


def target_of(analysis: Analysis) -> Target:
    """Return the prediction that is explained."""
    seen = view()
    place, _ = prediction_place(analysis)
    return Target(place, _or_none(seen.predict), _or_none(seen.against))


def explain(name: Literal["predict", "against"], number: int) -> None:
    """Explain a token, or compare with it; -1 for the most probable."""
    change(**{name: number})
    if view().predict == view().against >= 0:
        # A token is compared with another; the most probable one takes over.
        change(**{"against" if name == "predict" else "predict": -1})


def _or_none(number: int) -> int | None:
    return None if number < 0 else number
