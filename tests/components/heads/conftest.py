"""A survey of a small decoder, and the page that a link to it opens."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from components.panels.heads.session_surveys import surveys
from tests.models.folders import save_decoder
from tests.training.test_training_run import wait_for
from viz.service.survey_kept import Asked
from viz.service.survey_texts import pasted
from viz.survey import SurveySettings

# Markup of every kind that a text may hold, which must reach the page as it stands.
TEXT = (
    "the cat sat on the mat, <b>and</b> the *dog* did not [sit](javascript:x) because $x$ was tired.\n"
    * 12
)
QUICK = SurveySettings(length=32, tokens=160, probes=False, loss_windows=0)


def script():
    from components.pages import heads

    heads.page()


def opened(app=None, **query):
    app = app or AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = str(value)
    app.run()
    assert not app.exception
    return app


def surveyed(text=TEXT, settings=QUICK):
    """Survey a text, and return the survey's name."""
    name = surveys().start(Asked("small", pasted(text), settings, local=True))
    wait_for(lambda: not surveys().works(name))
    assert surveys().standing(name).asked.state == "done"
    return name


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A model in the folder of models."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_decoder(tmp_path / "models" / "small", layers=2, heads=3)
    return "small"


@pytest.fixture
def survey(small):
    return surveyed()
