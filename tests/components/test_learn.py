"""The Learn page's logic, without a browser."""

from __future__ import annotations

import gc
import importlib
import json
import sys
from pathlib import Path

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from components.panels.learn.attention_flow_diagram import flow
from components.panels.learn.further_reading import GLOSSARY, PAPERS, QUESTIONS
from components.panels.learn.step_texts import STEPS
from components.panels.learn.uses_of_attention import USES
from viz.analysis.approximation_error import WAYS
from viz.analysis.recurrence_vs_attention import measure

ROOT = Path(__file__).parents[2]


def script():
    from components.pages import learn

    learn.page()


def opened(**query):
    app = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def heading(app):
    return app.subheader[0].value


def texts(app):
    return [one.value for one in app.markdown]


def shown(app):
    """What the matrices hold: a list of {name: cells}, in the order of the page."""
    found = []
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json or "{}")
        if "grids" in data:
            found.append({grid["name"]: grid["cells"] for grid in data["grids"]})
    return found


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_its_formula_its_sentence_and_its_matrices(step):
    app = opened(step=step)
    assert heading(app) == f"{list(STEPS).index(step) + 1}. {STEPS[step].node}"
    assert STEPS[step].formula in [one.value.strip("$\n ") for one in app.latex]
    assert STEPS[step].sentence in texts(app)
    assert shown(app)
    assert not app.error


def test_next_and_back_walk_through_all_steps():
    app = opened()
    seen = [heading(app)]
    for _ in list(STEPS)[1:]:
        press(app, "Next")
        seen.append(heading(app))
    assert seen == [f"{place}. {step.node}" for place, step in enumerate(STEPS.values(), 1)]
    assert next(button for button in app.button if button.label == "Next").disabled
    press(app, "Back")
    assert heading(app) == seen[-2]
    assert app.query_params["step"] == "join"


def test_an_impossible_link_opens_the_first():
    app = opened(section="nothing", step="everything")
    assert heading(app).startswith("1. ")


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("tokens", "positions"),
        ("projections", "projections"),
        ("scale", "scaled"),
        ("mask", "masked"),
        ("join", "several"),
        ("output", "output"),
    ],
)
def test_a_switch_breaks_the_output_and_mend_mends_it(step, name):
    app = opened(step=step)
    assert not any("Broken on purpose" in text for text in texts(app))
    app.toggle(key=f"learn switch {name}").set_value(True).run()
    assert not app.exception
    assert any("Broken on purpose" in text for text in texts(app))
    moved = next(text for text in texts(app) if "The output moves" in text)
    assert "**0%**" not in moved
    press(app, "Mend")
    assert not any("Broken on purpose" in text for text in texts(app))
    assert app.toggle(key=f"learn switch {name}").value is False


def test_what_is_broken_in_one_step_stays_so_in_the_next():
    app = opened(step="mask")
    app.toggle(key="learn switch masked").set_value(True).run()
    press(app, "Next")
    weights = shown(app)[0]["A₀"]
    assert weights[0][-1] > 0
    press(app, "Mend")
    assert shown(app)[0]["A₀"][0][-1] == 0


def test_temperature_sharpens_and_flattens():
    app = opened(step="softmax")
    app.slider(key="learn switch temperature").set_value(5.0).run()
    flat = max(shown(app)[0]["A₀"][-1])
    app.slider(key="learn switch temperature").set_value(0.1).run()
    assert max(shown(app)[0]["A₀"][-1]) > flat


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("one " * 11, "11 tokens"), ("a\x00b", "null byte"), ("\x08", "no word")],
)
def test_a_bad_text_is_one_sentence_and_what_was_there_stays(text, words):
    app = opened()
    app.text_input(key="learn text").set_value("a dog saw me").run()
    before = shown(app)
    app.text_input(key="learn text").set_value(text).run()
    assert not app.exception
    assert len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")
    assert shown(app) == before


def numbers(**query):
    app = opened(**query)
    app.button_group(key="learn source").set_value("Numbers").run()
    assert not app.exception
    return app


def paste(app, name, text):
    app.selectbox(key="learn pasted name").set_value(name)
    app.text_area(key="learn pasted").set_value(text)
    press(app, "Use them")


def test_numbers_begin_with_the_textbook():
    app = numbers(step="output")
    rounded = [[round(cell, 4) for cell in row] for row in shown(app)[0]["Y"]]
    assert rounded[0] == [1.9953, 2.7562, 1.7586]


def test_pasted_numbers_change_the_output_and_the_textbook_returns():
    app = numbers(step="output")
    paste(app, "W_V", "0 0 0; 0 0 0; 0 0 1")
    assert not app.error
    assert [row[0] for row in shown(app)[0]["Y"]] == [0, 0, 0]
    press(app, "Textbook numbers")
    assert round(shown(app)[0]["Y"][0][0], 4) == 1.9953


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("X", "1 two 3", "'two' in row 1, column 2 of X is not a number"),
        ("X", "", "X is empty"),
        ("W_K", "1 nan 1", "no number in row 1, column 2 of W_K"),
        ("W_Q", "1 1\n1 1", "W_Q has 2 rows, and X has 3 columns"),
        ("W_V", "1 2\n3", "rows of 1 and of 2 numbers"),
    ],
)
def test_bad_numbers_are_one_sentence_and_what_was_there_stays(name, text, words):
    app = numbers(step="output")
    before = shown(app)
    paste(app, name, text)
    assert len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")
    assert shown(app) == before


def test_heads_that_do_not_divide_are_said():
    app = numbers()
    app.number_input(key="learn heads").set_value(2).run()
    assert "2 heads" in app.error[0].value
    app.number_input(key="learn heads").set_value(3).run()
    assert not app.error


def test_the_textbook_is_worked_to_the_end_beside_its_slips():
    app = opened(section="textbook")
    assert any("x1: (1.9953, 2.7562, 1.7586)" in text for text in texts(app))
    table = app.dataframe[0].value
    assert len(table) == 6
    assert table.iloc[0, -1] == 0
    assert (table.iloc[1:, -1] > 0.05).all()


def test_the_diagram_marks_the_open_step_and_the_broken_ones():
    lines = flow("projections", frozenset({"mask"}), dark=False).splitlines()
    assert "  class query,key,value open" in lines
    assert "  class mask broken" in lines


def test_three_layers_are_measured_at_the_press_of_a_button(monkeypatch):
    # The same measurement, at lengths that do not keep a test waiting.
    short = (8, 16)
    monkeypatch.setattr("components.panels.learn.recurrence_vs_attention.LENGTHS", short)
    monkeypatch.setattr(
        "components.panels.learn.recurrence_vs_attention.measure", lambda: measure(short)
    )
    app = opened(section="why")
    assert not app.get("plotly_chart")
    press(app, "Measure on this machine")
    assert len(app.get("plotly_chart")) == 3
    assert any("quadratic growth" in text for text in texts(app))
    assert any("Up to 16 tokens attention takes no more operations" in text for text in texts(app))


def test_cheaper_ways_are_tried_on_the_users_text():
    app = opened(section="cheaper")
    assert not app.error
    table = app.dataframe[0].value
    assert set(table["way"]) == set(WAYS)
    assert (table[table["way"] == "low rank"]["error"].iloc[-1]) < 1e-6
    app.button_group(key="learn way").set_value("window").run()
    assert any("neighbours" in text for text in texts(app))
    app.number_input[1].set_value(5).run()
    assert not app.exception
    other = app.dataframe[0].value
    assert not other["error"].equals(table["error"])


def test_a_text_that_cannot_be_run_leaves_the_earlier_ways():
    app = opened(section="cheaper")
    before = app.dataframe[0].value
    app.text_area(key="learn tried text").set_value("  ")
    press(app, "Run")
    assert len(app.error) == 1
    assert "What you see below is from before: “The animal didn't" in app.error[0].value
    assert app.dataframe[0].value.equals(before)


def test_small_weights_are_seen_on_a_scale_of_logarithms():
    app = opened(section="cheaper")
    app.button_group(key="learn scale").set_value("log").run()
    assert not app.exception
    exact = json.loads(app.get("plotly_chart")[0].proto.spec)["data"][0]
    assert exact["zmin"] == -4
    assert exact["colorbar"]["title"]["text"] == "log scale"


def test_a_slip_has_the_colours_of_the_right_result():
    app = opened(section="textbook")
    data = [json.loads(one.proto.json or "{}") for one in app.get("bidi_component")]
    slips = [
        (one["grids"][0]["name"], one["largest"])
        for one in data
        if one.get("grids", [{"name": ""}])[0]["name"].endswith(": weights")
    ]
    assert len(slips) == 10
    assert all(slip[1] == good[1] for slip, good in zip(slips[::2], slips[1::2], strict=True))


def test_a_comparison_says_of_which_head_it_is():
    app = opened(step="mask", broken="masked", head="1")
    assert list(shown(app)[-1]) == ["A₁, usual", "A₁, now"]
    assert any("head 1" in one.value for one in app.caption)


def test_a_text_that_is_too_long_for_the_only_model_is_to_be_shortened():
    app = opened(section="uses")
    app.text_input(key="learn review").set_value("word " * 700).run()
    assert not app.exception
    assert "Shorten it to" in app.error[0].value
    assert "model" not in app.error[0].value.split("Shorten")[1]


def test_a_text_too_long_for_its_pattern_is_said():
    app = opened(section="cheaper")
    app.text_area(key="learn tried text").set_value("cat " * 2_000)
    press(app, "Run")
    assert "tokens" in app.error[0].value


def test_each_use_has_an_example_that_runs():
    app = opened(section="uses")
    titles = [text.split(".")[0].strip("*") for text in texts(app) if text.startswith("**")]
    assert titles == [title for title, _, _ in USES]
    review, summary, answer = (frame.value for frame in app.dataframe)
    assert "praise" in review["sentence"].iloc[0]
    assert "baker" in summary["sentence"].iloc[-1]
    assert "tired" in answer["sentence"].iloc[0]
    app.text_input(key="learn review").set_value("What a waste of an evening, I am disappointed.")
    app.run()
    assert "complaint" in app.dataframe[0].value["sentence"].iloc[0]


@pytest.mark.parametrize(
    ("key", "words"), [("learn review", "is empty"), ("learn classes", "nothing")]
)
def test_an_example_without_a_text_is_said(key, words):
    app = opened(section="uses")
    (app.text_input if key == "learn review" else app.text_area)(key=key).set_value("").run()
    assert not app.exception
    assert words in app.error[0].value


def test_questions_words_and_papers_are_there():
    app = opened(section="reading")
    assert [one.label for one in app.expander] == list(QUESTIONS)
    written = "\n".join(texts(app))
    assert all(f"**{word}**" in written for word in GLOSSARY)
    assert all(title in written for _, title, _, _ in PAPERS)


def test_the_folder_of_pages_is_not_taken_for_pages(monkeypatch):
    """Else the first address to be opened, if it is /learn, runs a page's file and shows nothing."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    importlib.import_module("app")
    gc.unfreeze()
    PagesManager(str(ROOT / "components" / "main.py"))
    assert PagesManager.uses_pages_directory is False


def test_explore_goes_on_where_it_was_left(tmp_path, monkeypatch):
    """The navigation leads back without a view in the address; the one before goes on."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = AppTest.from_function(both, default_timeout=60)
    app.query_params["text"] = "a dog saw me"
    app.query_params["head"] = "2"
    app.run()
    assert "Layer 0, head 2" in [one.value for one in app.subheader]
    app.session_state["on learn"] = True
    app.query_params.clear()
    app.run()
    assert app.header[0].value == "Learn self-attention"
    app.session_state["on learn"] = False
    app.query_params.clear()
    app.run()
    assert not app.exception
    assert "Layer 0, head 2" in [one.value for one in app.subheader]
    assert app.text_area(key="text").value == "a dog saw me"
    assert app.query_params["head"] == "2"


def both():
    import streamlit as st

    from components.pages import explore, learn

    (learn if st.session_state.get("on learn") else explore).page()
