"""Which pipeline read along with a survey, as its card says it; a survey goes on with the same one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from viz.errors import StorageError
from viz.survey.grammar.pipelines import Pipeline
from viz.survey.survey_card import SurveyCard


def with_pipeline(card: SurveyCard, pipeline: Pipeline | None, folder: Path) -> SurveyCard:
    """Note a pipeline on a card, or make sure that it is the one that is noted there.

    Raises:
        StorageError: the survey was begun with another version of it.
    """
    if pipeline is None:
        return card
    before = card.grammar.get("version")
    if before is not None and before != pipeline.version:
        raise StorageError(
            f"The survey in {folder} was begun with the spaCy pipeline {pipeline.name} {before}, and {pipeline.version} "
            "is installed.",
            "Install the same version, or survey into another folder.",
        )
    return replace(
        card,
        grammar={
            "pipeline": pipeline.name,
            "version": pipeline.version,
            "spacy": pipeline.spacy,
            "lacks": list(pipeline.lacks),
        },
    )


def pipeline_words(card: SurveyCard) -> str:
    """Say which pipeline read along, and what it does not tell; nothing where none did."""
    if not card.grammar:
        return ""
    lacks = card.grammar["lacks"]
    said = f"grammar by {card.grammar['pipeline']} {card.grammar['version']}"
    return f"{said}, which tells no {' and no '.join(lacks)}" if lacks else said
