"""The Heads page's logic, without a browser."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from components.panels.heads import head_examples
from components.panels.heads.session_surveys import surveys
from components.panels.heads.survey_labels import number_words
from components.panels.heads.survey_progress import share_of, words_of
from components.panels.heads.survey_tables import heads_table, shown_survey
from tests.components.heads.conftest import QUICK, TEXT, opened, surveyed
from tests.training.test_training_run import wait_for
from viz.service.survey_jobs import SurveyStanding
from viz.service.survey_kept import Asked, KeptSurvey, surveys_root
from viz.service.survey_texts import pasted
from viz.survey import SurveyMoment
from viz.survey.sums.row_blocks import TEXT_SCORES

ASKED = Asked("minilm", pasted(TEXT), QUICK)


def box(app, label):
    return next(one for one in app.selectbox if one.label == label)


def button(app, label):
    return next(one for one in app.button if one.label == label)


def field(app, label):
    return next(
        one for one in [*app.text_input, *app.number_input, *app.text_area] if one.label == label
    )


def said(app):
    everything = [*app.markdown, *app.caption, *app.subheader, *app.info, *app.warning, *app.error]
    return " ".join(one.value for one in everything).replace("\\", "")


def table(app, column):
    return next(one.value for one in app.dataframe if column in one.value.columns)


def test_the_empty_page_asks_for_a_model_and_texts_and_offers_an_example(small):
    app = opened()
    assert box(app, "Model").value == "minilm"
    assert field(app, "Tokens").value == 20_000
    assert "press Start" in said(app)
    assert button(app, "Survey all-MiniLM-L6-v2 on presidents' addresses")


def test_a_pasted_text_is_surveyed_and_every_head_has_its_sentence(small):
    app = opened()
    box(app, "Model").set_value("folder").run()
    field(app, "Folder").set_value(small).run()
    box(app, "Texts").set_value("pasted").run()
    assert button(app, "Start").disabled
    field(app, "Your text").set_value(TEXT).run()
    field(app, "Tokens").set_value(120).run()
    field(app, "Window length").set_value(32).run()
    app.checkbox[0].uncheck().run()
    button(app, "Start").click().run()
    assert not app.exception
    name = app.query_params["survey"]
    wait_for(lambda: not surveys().works(name))
    app.run()
    assert not app.exception
    assert "small on your text" in said(app)
    assert "It attends" in said(app) or "It spreads" in said(app)
    asked = surveys().standing(name).asked
    assert (asked.settings.tokens, asked.settings.length, asked.settings.probes) == (120, 32, False)
    # What its session began it may throw away.
    button(app, "Delete for good").click().run()
    assert not app.exception
    assert "survey" not in app.query_params
    assert not list(surveys_root().iterdir())


def test_what_cannot_be_read_is_one_sentence_and_the_survey_on_screen_stays(survey, monkeypatch):
    app = opened(survey=survey)
    monkeypatch.setenv("LOUPE_TEXT_FOLDERS", str(surveys_root()))
    app.run()
    box(app, "Texts").set_value("path").run()
    field(app, "File or folder").set_value("nowhere.txt").run()
    button(app, "Start").click().run()
    assert [one.value.replace("\\", "") for one in app.error] == [
        "There is no file or folder nowhere.txt. Check the name."
    ]
    assert "small on your text" in said(app)


def test_a_name_that_nobody_was_told_is_said_and_the_form_stays(small):
    app = opened(survey="0" * 24)
    assert "There is no survey of that name" in app.warning[0].value.replace("\\", "")
    assert button(app, "Start")


def test_a_link_shows_the_same_score_and_head(survey):
    app = opened(survey=survey, score="entropy", layer=1, head=2)
    assert box(app, "Score").value == "entropy"
    assert "Layer 1 head 2" in [one.value for one in app.subheader]
    assert not app.warning


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"score": "entrpy"}, "The link's score 'entrpy' is not valid: it must be 'entropy'"),
        ({"score": "copying"}, "it was not measured here, so 'previous' is shown"),
        ({"layer": "9", "head": "0"}, "this survey has no such head"),
        ({"stack": "cross"}, "this survey has 'self', so 'self' is shown"),
        ({"below": "nothing"}, "it must be 'head', 'heads' or 'compare'"),
        ({"compare": "x"}, "it must be the name of a survey"),
        ({"hed": "1"}, "Did you mean 'head'?"),
    ],
)
def test_what_a_link_cannot_have_is_said_and_the_usual_is_shown(survey, query, words):
    app = opened(survey=survey, **query)
    # What is found wrong while results are drawn stands above them.
    assert words in " ".join(one.value for one in app.warning).replace("\\", "")
    assert "small on your text" in said(app)


def test_a_score_that_is_chosen_goes_into_the_address(survey):
    app = opened(survey=survey)
    box(app, "Score").set_value("current").run()
    assert not app.exception
    assert app.query_params["score"] == "current"


def test_all_heads_are_listed_and_those_that_are_wanted_alone(survey):
    app = opened(survey=survey, below="heads", score="entropy")
    everyone = table(app, "sentence")
    assert len(everyone) == 6
    assert everyone["entropy"].is_monotonic_decreasing
    least = float(everyone["entropy"].iloc[2])
    field(app, "Entropy of at least").set_value(least - 1e-6).run()
    assert len(table(app, "sentence")) == 3
    field(app, "Entropy of at least").set_value(99.0).run()
    assert "None of the 6 heads fits" in said(app)


def test_the_numbers_of_a_head_stand_beside_chance_and_its_place(survey):
    app = opened(survey=survey, layer=0, head=1)
    numbers = app.table[0].value.set_index("score")
    scores = shown_survey(survey).survey.scores(0, 1).set_index("score")
    entropy = numbers.loc["Entropy (nats)"]
    assert float(entropy["value"]) == pytest.approx(scores.loc["entropy", "value"], rel=5e-3)
    assert float(entropy["chance"]) == pytest.approx(scores.loc["entropy", "chance"], rel=5e-3)
    assert entropy["place"].endswith(" of 6")
    assert {"Current token", "Distance (tokens)"} <= set(numbers.index)
    near = table(app, "apart")
    assert len(near) == 5
    assert near["apart"].is_monotonic_increasing


def test_texts_reach_the_page_as_data_with_both_tokens_marked(survey):
    app = opened(survey=survey)
    bodies = [one.proto.body for one in app.get("html") if "<div" in one.proto.body]
    assert len(bodies) > 3
    assert not any("<b>" in body for body in bodies)
    assert any("&lt;b&gt;" in body for body in bodies)
    for body in bodies:
        assert body.count("loupe-query") == body.count("loupe-key") == 1


def test_an_example_leads_to_explore_at_its_text_head_and_token(survey, monkeypatch):
    asked = []
    monkeypatch.setattr(
        head_examples, "page_link", lambda title, label, **query: asked.append(query)
    )
    app = opened(survey=survey, layer=1, head=0)
    shown = head_examples.distinct_first(shown_survey(survey).survey.examples(1, 0))
    few = head_examples.FEW
    assert len(shown) > few
    assert [one["token"] for one in asked] == [str(one) for one in shown["query"].head(few)]
    asked.clear()
    button(app, f"Show all {len(shown)}").click().run()
    assert app.query_params["listed"] == "all"
    assert [one["text"] for one in asked] == shown["text"].tolist()
    assert [one["token"] for one in asked] == [str(one) for one in shown["query"]]
    assert {(one["model"], one["local"], one["layer"], one["head"]) for one in asked} == {
        ("small", "1", "1", "0")
    }


def test_of_examples_that_are_as_heavy_those_that_differ_come_first():
    given = pd.DataFrame(
        [
            {"window": 1, "query_label": "b", "key_label": "a", "weight": 1.0},
            {"window": 1, "query_label": "b", "key_label": "a", "weight": 0.9999},
            {"window": 2, "query_label": "d", "key_label": "c", "weight": 0.9996},
            {"window": 3, "query_label": "f", "key_label": "e", "weight": 0.5},
        ]
    )
    assert head_examples.distinct_first(given)["window"].tolist() == [1, 2, 1, 3]
    assert not head_examples.alike_words(given)
    assert "All 3 carry as good as all" in head_examples.alike_words(given.head(3))
    assert head_examples.weight_words(0.9999) == "weight over 0.999"
    assert head_examples.weight_words(1.0) == "weight 1.000"
    assert [head_examples.distance_words(one) for one in (0, 1, -2)] == [
        "itself",
        "1 token before",
        "2 tokens after",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.77912, "0.779"), (0.0, "0"), (1.66e-8, "2e-08"), (12_345.6, "12,346"), (np.nan, "–")],
)
def test_a_number_of_any_size_takes_few_places(value, words):
    assert number_words(value) == words


def test_a_head_is_chosen_by_its_numbers_too(survey):
    app = opened(survey=survey, layer=0, head=2)
    field(app, "Layer").set_value(1).run()
    field(app, "Head").set_value(0).run()
    assert not app.exception
    assert "Layer 1 head 0" in [one.value for one in app.subheader]
    assert (app.query_params["layer"], app.query_params["head"]) == ("1", "0")


def test_which_heads_are_listed_is_in_the_address(survey):
    app = opened(survey=survey, below="heads", score="entropy", does="nothing", least="99")
    assert "None of the 6 heads fits" in said(app)
    app = opened(survey=survey, below="heads", score="entropy", least="x", does="x")
    assert "it must be a number" in said(app)
    assert "it must be scores with commas between" in said(app)
    field(app, "Entropy of at least").set_value(0.5).run()
    assert app.query_params["least"] == "0.5"
    kinds = next(one for one in app.multiselect if one.label == "What it does")
    kinds.set_value(shown_kinds(survey)[:1]).run()
    assert not app.exception
    assert app.query_params["does"] == shown_kinds(survey)[0]
    box(app, "Score").set_value("current").run()
    assert "least" not in app.query_params, "it was of another score"


def shown_kinds(survey):
    """What the heads of a survey do, as an address names it."""
    does = heads_table(shown_survey(survey))["does"]
    return sorted(set(does) - {""}) or ["nothing"]


def test_a_survey_runs_on_the_device_and_in_the_numbers_that_were_asked_for(small):
    app = opened()
    box(app, "Model").set_value("folder").run()
    field(app, "Folder").set_value(small).run()
    box(app, "Texts").set_value("pasted").run()
    field(app, "Your text").set_value(TEXT).run()
    field(app, "Tokens").set_value(100).run()
    field(app, "Window length").set_value(32).run()
    app.checkbox[0].uncheck().run()
    assert box(app, "Device").value == "auto"
    box(app, "Device").set_value("cpu").run()
    box(app, "Number type").set_value("bfloat16").run()
    button(app, "Start").click().run()
    assert not app.exception
    name = app.query_params["survey"]
    wait_for(lambda: not surveys().works(name))
    shown = shown_survey(name)
    assert shown.survey.card.model["dtype"] == "bfloat16"
    assert (shown.model["device"], shown.model["dtype"]) == ("cpu", "bfloat16")


def test_two_surveys_are_compared_head_by_head(survey):
    other = surveyed(text="a dog and a cat and a dog and a cat and a mat. " * 12)
    app = opened()
    for name in (other, survey):
        app = opened(app, survey=name, below="compare")
    assert box(app, "Compare with").options == ["none", "small on your text"]
    box(app, "Compare with").set_value(other).run()
    assert not app.exception
    assert app.query_params["compare"] == other
    changes = table(app, "noise")
    first = shown_survey(survey).survey.heads().set_index(["layer", "head"])
    second = shown_survey(other).survey.heads().set_index(["layer", "head"])
    line = changes[changes["score"] == "Entropy"].iloc[0]
    at = int(line["layer"]), int(line["head"])
    change = second.loc[at, "entropy"] - first.loc[at, "entropy"]
    assert line["change"] == pytest.approx(change)


def test_a_survey_of_a_folder_is_compared_where_the_server_allows_it(survey, monkeypatch):
    folder = surveys_root() / survey / "survey"
    monkeypatch.setenv("LOUPE_TEXT_FOLDERS", str(surveys_root()))
    app = opened(survey=survey, below="compare", compare=str(folder))
    assert np.allclose(table(app, "noise")["change"], 0)
    monkeypatch.delenv("LOUPE_TEXT_FOLDERS")
    app = opened(survey=survey, below="compare", compare=str(folder))
    assert "it must be the name of a survey" in said(app)


def test_what_was_not_measured_is_said_with_its_reason(small):
    name = surveyed(settings=dataclasses.replace(QUICK, loss_windows=1, exact_heads=0))
    kept = KeptSurvey.open(name, surveys_root())
    reasons = {"copying": "Its norms are of no known kind."}
    kept.measured.write_card(dataclasses.replace(kept.measured.card(), not_measured=reasons))
    app = opened(survey=name)
    assert "Copying" in said(app)
    assert "Its norms are of no known kind." in said(app)


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (
            SurveyStanding(
                dataclasses.replace(ASKED, state="running"), SurveyMoment("texts", 5, 20, 640, 30.0)
            ),
            "Reading the texts: window 5 of 20, 640 tokens, about 30 s left of this.",
        ),
        (
            SurveyStanding(dataclasses.replace(ASKED, state="waiting"), before=2),
            "Waits for its turn: 2 surveys before it.",
        ),
        (
            SurveyStanding(
                dataclasses.replace(ASKED, state="paused"), SurveyMoment("retrieval", 3, 8, 0, None)
            ),
            "Paused. Hiding sentences and finding them again, 3 of 8.",
        ),
        (
            SurveyStanding(dataclasses.replace(ASKED, state="stopped")),
            "Stopped; what it measured until then is kept.",
        ),
        (SurveyStanding(ASKED, elsewhere=True), "At work elsewhere."),
    ],
)
def test_how_it_stands_is_said_in_a_line(standing, words):
    assert words_of(standing) == words
    assert 0 <= share_of(standing) <= 1


def test_scores_of_texts_are_the_first_of_the_list(survey):
    offered = box(opened(survey=survey), "Score").options
    assert len(offered) <= len(TEXT_SCORES)
    assert offered[0] == "Entropy (nats)"
