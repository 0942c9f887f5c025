"""A small model with a tokenizer, a corpus of real sentences, and a survey of both."""

from __future__ import annotations

from pathlib import Path

import pytest

import viz
from viz.survey import Survey, SurveySettings, load_survey, open_corpus, run_survey
from viz.survey.survey_folder import SurveyFolder

# Windows of so few tokens that there are many of them.
SETTINGS = SurveySettings(length=16, probes=False, loss_windows=0)

SENTENCES = (
    "The animal didn't cross the street because it was too tired.",
    "When Mary and John went to the store, John gave a drink to Mary.",
    "In 1912 the ship left Southampton; in 1912 the ship did not arrive.",
    "A cat, a dog and a cat sat on the mat.\nThe dog saw the cat.",
)


@pytest.fixture(scope="session")
def model():
    """A real encoder of 6 x 12 heads."""
    return viz.load_model("demo", device="cpu")


@pytest.fixture(scope="session")
def texts(tmp_path_factory) -> Path:
    """A file of texts, a line each."""
    path = tmp_path_factory.mktemp("corpus") / "texts.jsonl"
    lines = (f'"Text {number}. {SENTENCES[number % 4]}"' for number in range(24))
    path.write_text("\n".join(line.replace("\n", "\\n") for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def surveyed(model, texts, tmp_path_factory) -> Survey:
    """The survey of all of them, in one go."""
    folder = tmp_path_factory.mktemp("survey") / "whole"
    run_survey(model, open_corpus(texts), SurveyFolder(folder), SETTINGS)
    return load_survey(folder)
