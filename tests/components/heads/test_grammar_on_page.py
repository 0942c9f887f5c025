"""The Heads page where a spaCy pipeline is installed, and where none is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.panels.heads import grammar_choice
from components.panels.heads.session_surveys import surveys
from components.panels.heads.survey_tables import shown_survey
from tests.components.heads.conftest import QUICK, opened, surveyed
from tests.components.heads.test_heads_page import box, button, field, said, table
from tests.survey.grammar.packages import packages_on_path
from tests.training.test_training_run import wait_for

TEXT = "The old cat saw a tired dog. A dog chased the black cat.\n" * 40
CHOICE = "Parts of speech and relations"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with packages_on_path(tmp_path_factory.mktemp("site")) as folder:
        yield folder


@pytest.fixture
def parsed(small, site):
    settings = replace(QUICK, tokens=1200, grammar="en_small_rules")
    return surveyed(TEXT, settings)


def test_a_pipeline_is_offered_and_none_is_chosen_unless_asked_for(small, site):
    app = opened()
    choice = box(app, CHOICE)
    assert choice.value == ""
    assert {"not measured", "en_small_parts 1.0", "en_small_rules 1.0"} <= set(choice.options)
    box(app, "Model").set_value("folder").run()
    field(app, "Folder").set_value(small).run()
    box(app, "Texts").set_value("pasted").run()
    field(app, "Your text").set_value(TEXT).run()
    field(app, "Tokens").set_value(120).run()
    app.checkbox[0].uncheck().run()
    box(app, CHOICE).set_value("en_small_rules").run()
    button(app, "Start").click().run()
    assert not app.exception
    name = app.query_params["survey"]
    wait_for(lambda: not surveys().works(name))
    assert surveys().standing(name).asked.settings.grammar == "en_small_rules"
    app.run()
    assert "grammar by en_small_rules 1.0" in said(app)


def test_nothing_is_offered_where_no_pipeline_is_installed(small, monkeypatch):
    monkeypatch.setattr(grammar_choice, "installed_pipelines", dict)
    assert not [one for one in opened().selectbox if one.label == CHOICE]


def test_a_head_is_shown_along_relations_and_parts_of_speech(parsed):
    app = opened(survey=parsed, layer=0, head=1)
    assert "Along dependency relations" in said(app)
    assert "From and to parts of speech" in said(app)
    relations = table(app, "by_distance")
    assert "a word → its amod" in set(relations["title"])
    often = relations["counted"] >= 50
    assert often.is_monotonic_decreasing
    assert {"weight", "chance", "by_distance", "counted"} <= set(relations.columns)
    assert "relations.csv" in [one.label for one in app.get("download_button")]
    app = opened(survey=parsed, below="heads")
    heads = table(app, "relation_weight")
    assert heads["relation"].str.contains("→").all()
    assert heads["relation_baseline"].between(0, 1).all()
    followed = shown_survey(parsed).survey.relations(0, 1)
    own = heads[(heads["layer"] == 0) & (heads["head"] == 1)].iloc[0]
    assert own["relation_weight"] in followed["weight"].tolist()


def test_a_survey_without_grammar_shows_none(survey):
    app = opened(survey=survey, layer=0, head=1)
    assert "Along dependency relations" not in said(app)
    assert "From and to parts of speech" not in said(app)
    assert "relation" not in table(opened(survey=survey, below="heads"), "sentence").columns
