"""spaCy pipelines that are installed for these tests alone, and a survey with one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.survey.conftest import SETTINGS
from tests.survey.grammar.packages import packages_on_path
from viz.survey import load_survey, open_corpus, run_survey
from viz.survey.grammar.pipelines import load_pipeline
from viz.survey.survey_folder import SurveyFolder

LINES = (
    "The old cat saw a tired dog. It sat on the mat, beside the dog!",
    "A dog chased the black cat. She sleeps on a mat.",
    "The unbelievable animal saw a cat beside the old street.",
)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    with packages_on_path(tmp_path_factory.mktemp("site")) as folder:
        yield folder


@pytest.fixture(scope="session")
def pipeline(site):
    return load_pipeline("en_small_rules")


@pytest.fixture(scope="session")
def plain_texts(tmp_path_factory):
    """A file of sentences whose every word the pipeline knows."""
    path = tmp_path_factory.mktemp("corpus") / "plain.txt"
    path.write_text("\n".join(LINES[number % 3] for number in range(45)))
    return path


@pytest.fixture(scope="session")
def parsed_survey(model, plain_texts, site, tmp_path_factory):
    """The survey of them, in one go."""
    folder = tmp_path_factory.mktemp("survey") / "parsed"
    settings = replace(SETTINGS, length=48, grammar="en_small_rules")
    run_survey(model, open_corpus(plain_texts), SurveyFolder(folder), settings)
    return load_survey(folder)
