"""Surveys and scores in words."""

from __future__ import annotations

import math

from viz.models.catalogue import find_entry
from viz.service.survey_jobs import USUAL_LENGTH
from viz.service.survey_kept import Asked
from viz.survey import SurveyCard, SurveySettings
from viz.survey.grammar.pipeline_note import pipeline_words
from viz.survey.score_catalogue import SCORES, Score

STATES = {
    "waiting": "waiting",
    "running": "at work",
    "paused": "paused",
    "stopped": "stopped",
    "done": "done",
    "failed": "failed",
}

# Smaller numbers are written by their power of ten.
LEAST_WRITTEN = 5e-4

# What each field of the form is, and what a larger value does.
HELP = {
    "model": "Whose heads are measured. Weights are read from safetensors only, and a model's own code is never run.",
    "texts": "What the model reads. What a head does depends on it: take texts of the kind that you want to know about.",
    "column": "That holds the texts, of a table; empty for the one called text, or the only one of strings.",
    "tokens": "How many tokens are read at least, from the beginning of the texts. More tell the halves apart from chance "
    "more surely, and take longer in proportion.",
    "length": "Tokens that the model is given at once, at most. Longer windows show what heads do far away, and take longer. "
    f"Empty: {USUAL_LENGTH}, or what the model reads if less.",
    "packed": "One by one, each text begins a window of its own. Packed, short texts share a window, with an empty line "
    "between them.",
    "grammar": "Which parts of speech a head looks from and at, and which dependency relations it follows, as an installed spaCy "
    "pipeline tells them. Choose one for the language of the texts.",
    "probes": "Repeated sequences of random tokens, sentences to be found again in a text, the parameters, and what the loss "
    "does without a head. Takes a minute or two more with a small model.",
}


def title_of_model(model: str, *, local: bool = False) -> str:
    """Say what the page calls a model."""
    entry = None if local else find_entry(model)
    return model if entry is None else entry.title


def survey_title(asked: Asked) -> str:
    """Say which heads over which texts."""
    return f"{title_of_model(asked.model, local=asked.local)} on {asked.texts.title}"


def settings_words(settings: SurveySettings) -> str:
    """Say how texts are read."""
    tokens = "all texts" if settings.tokens is None else f"{settings.tokens:,} tokens"
    length = "the usual length" if settings.length is None else f"up to {settings.length:,} tokens"
    return f"{tokens} in windows of {length}{', packed' if settings.packed else ''}"


def card_words(card: SurveyCard, model: str, texts: str) -> str:
    """Say what a survey is of: the model and its version, the texts, how many, and by which digest they are known.

    Args:
        card: of the survey.
        model: what the page calls it.
        texts: what its user calls them.
    """
    revision = f" at {card.model['revision']}" if card.model["revision"] else ""
    weights = (card.model["fingerprint"] or "")[:12]
    parts = [
        f"{model}{revision} in {card.model['dtype']} (weights {weights})",
        f"{_count(card.tokens, 'token')} of {texts} in {_count(card.windows, 'window')}"
        f"{', packed' if card.settings.packed else ''}",
    ]
    if card.digest:
        parts.append(f"digest {card.digest[:12]}")
    if card.grammar:
        parts.append(pipeline_words(card))
    if card.dropped:
        parts.append(f"{_count(card.dropped, 'rest')} of texts too short to be read")
    if card.refused:
        parts.append(
            f"on {_count(card.refused, 'more window')} attention could not be shown: {card.message}"
        )
    return "; ".join(parts).rstrip(".") + "."


def score_title(name: str) -> str:
    """Say what a score is called, with its unit."""
    score = SCORES.find(name)
    return f"{score.title} ({unit_of(score)})"


def unit_of(score: Score) -> str:
    """Say what a score's number counts."""
    return "share of weight" if score.is_share else score.unit


def score_meaning(name: str) -> str:
    """Explain a score, with its source."""
    score = SCORES.find(name)
    grounds = {
        "texts": "on the texts",
        "repeated sequences": "on random tokens that come twice",
        "needles": "on sentences that are hidden in a text",
        "parameters": "of the parameters",
        "loss": "on the texts' own loss",
    }
    source = f" {score.source}." if score.source else ""
    return f"{score.meaning} Measured {grounds[score.ground]}.{source}"


def number_words(value: float) -> str:
    """Write the number of a score: three digits, or how many zeros there are before the first."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0e}" if 0 < abs(value) < LEAST_WRITTEN else f"{value:.3g}"


def head_title(layer: int, head: int) -> str:
    """Name a head."""
    return f"Layer {layer} head {head}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
