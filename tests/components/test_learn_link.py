"""Links to the Learn page reproduce what is worked on, and Back undoes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import tensor

from components.panels.learn.lesson_state import (
    LEFT_OUT,
    NAMES,
    Work,
    from_query,
    numbers_of,
    numbers_text,
    to_query,
)
from tests.components.test_learn import both, heading, numbers, opened, paste, press, shown, texts
from viz.service import TextStore

matrices = st.lists(
    st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=12), min_size=10, max_size=10
)
works = st.builds(
    Work,
    source=st.sampled_from(["text", "numbers"]),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=3000),
    numbers=st.builds(
        lambda one, other: numbers_text(
            dict(zip(NAMES, map(tensor, (one, other, one, other)), strict=True))
        ),
        matrices,
        matrices,
    ),
    heads=st.integers(1, 12),
    broken=st.sets(st.sampled_from(LEFT_OUT)).map(
        lambda left: ",".join(name for name in LEFT_OUT if name in left)
    ),
    temperature=st.integers(1, 50).map(lambda tenths: tenths / 10),
    head=st.integers(0, 11),
)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(work=works)
def test_any_work_comes_back_from_its_link(work, tmp_path):
    texts = TextStore(tmp_path)
    query = to_query(work, texts)
    assert from_query(query, texts) == (work, [])
    assert sum(map(len, query.values())) < 2000


def test_the_usual_work_has_no_link(tmp_path):
    assert to_query(Work(), TextStore(tmp_path)) == {}
    assert {name: tuple(one.shape) for name, one in numbers_of(Work().numbers).items()} == (
        dict.fromkeys(NAMES, (3, 3))
    )


def test_what_is_not_valid_is_said_and_the_rest_is_kept(tmp_path):
    query = {
        "source": "sound",
        "text": "a dog",
        "numbers": "1 2_3",
        "heads": "13",
        "broken": "everything",
        "temperature": "0",
        "head": "-1",
    }
    work, problems = from_query(query, TextStore(tmp_path))
    assert work == Work(text="a dog")
    assert len(problems) == 6
    assert (
        "The link's temperature '0' is not valid: it must be a number from 0.1 to 5, so 1.0 is used."
        in problems
    )


def test_a_text_and_what_is_broken_are_in_the_link():
    app = opened(step="mask")
    app.text_input(key="learn text").set_value("a dog saw me").run()
    app.toggle(key="learn switch masked").set_value(True).run()
    query = {name: app.query_params[name] for name in ("step", "text", "broken")}
    assert query == {"step": "mask", "text": "a dog saw me", "broken": "masked"}
    again = opened(**query)
    assert shown(again) == shown(app)
    assert again.text_input(key="learn text").value == "a dog saw me"
    assert any("Broken on purpose" in text for text in texts(again))


def test_numbers_are_in_the_link():
    app = numbers(step="output")
    paste(app, "W_V", "0 0 0; 0 0 0; 0 0 \u22121.25")
    query = {name: app.query_params[name] for name in ("step", "source", "numbers")}
    assert shown(opened(**query)) == shown(app)


def test_back_undoes_a_change_and_forward_does_it_again():
    app = opened()
    before = shown(app)
    app.text_input(key="learn text").set_value("a dog saw me").run()
    after = shown(app)
    del app.query_params["text"]
    app.run()
    assert app.text_input(key="learn text").value == "the cat sat on the mat"
    assert shown(app) == before
    app.query_params["text"] = "a dog saw me"
    app.run()
    assert shown(app) == after


def test_back_undoes_numbers():
    app = numbers(step="output")
    before = shown(app)
    paste(app, "W_V", "0 0 0; 0 0 0; 0 0 1")
    assert shown(app) != before
    del app.query_params["numbers"]
    app.run()
    assert shown(app) == before


def test_a_change_that_comes_with_an_older_address_is_kept():
    """The browser may send the address from before the last change along with the next."""
    app = opened()
    app.text_input(key="learn text").set_value("a dog saw me").run()
    del app.query_params["text"]
    press(app, "Next")
    assert app.text_input(key="learn text").value == "a dog saw me"
    assert (app.query_params["text"], app.query_params["step"]) == ("a dog saw me", "projections")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"section": "nothing"}, "section 'nothing' is not valid: it must be 'steps', "),
        ({"step": "nothing"}, "so Tokens is shown"),
        (
            {"temperature": "warm"},
            "temperature 'warm' is not valid: it must be a number from 0.1 to 5, so 1.0 is used",
        ),
    ],
)
def test_an_impossible_link_is_said_and_left_as_it_is(query, words):
    app = opened(**query)
    assert words in app.warning[0].value.replace("\\", "")
    assert heading(app).startswith("1. ")
    assert all(app.query_params[name] == value for name, value in query.items())


def test_what_is_typed_is_never_another_number():
    app = numbers(step="output")
    before = shown(app)
    for cell in ("1,5", "abc", "1e"):
        frame = app.session_state["learn edited"]["W_V"].copy()
        frame.iloc[0, 0] = cell
        app.session_state["learn given"] = {**app.session_state["learn given"], "W_V": frame}
        app.run()
        assert f"'{cell}' in row 1, column 1 of W_V is not a number" in (
            app.error[0].value.replace("\\", "")
        )
        assert shown(app) == before


def test_what_is_tried_is_in_the_link_and_back_undoes():
    app = opened(section="cheaper")
    assert set(app.query_params) == {"section"}, "what is usual stays out of it"
    before = app.dataframe[0].value
    app.text_area(key="learn tried text").set_value("A cat sat. Then it ran.")
    press(app, "Run")
    app.number_input[1].set_value(5).run()
    app.button_group(key="learn way").set_value("window").run()
    app.select_slider[0].set_value(1).run()
    query = dict(app.query_params)
    again = opened(**query)
    assert again.text_area(key="learn tried text").value == "A cat sat. Then it ran."
    assert [one.value for one in again.number_input] == [3, 5]
    assert again.select_slider[0].value == 1
    assert again.dataframe[0].value.equals(app.dataframe[0].value)
    app.query_params.clear()
    app.query_params["section"] = "cheaper"
    app.run()
    assert app.dataframe[0].value.equals(before)
    assert [one.value for one in app.number_input] == [3, 1]


def test_a_link_to_a_way_or_a_head_that_is_not_there_is_said():
    query = {"model": "nothing", "way": "magic", "at": "first", "setting": "many"}
    app = opened(section="cheaper", **query)
    assert len(app.warning) == 1, "one box for one link"
    assert len(app.warning[0].value.splitlines()) == 4
    assert not app.error
    far = opened(section="cheaper", at="99.99", setting="3")
    assert [one.value for one in far.number_input] == [5, 11]
    assert not far.error
    said = far.warning[0].value.replace("\\", "")
    assert "at '99.99' is not valid: layers go from 0 to 5, heads from 0 to 11, so 5.11 is" in said
    assert "setting 3 is not" in said


def test_the_texts_of_uses_are_in_the_link(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = opened(section="uses")
    app.text_input(key="learn review").set_value("What a waste.").run()
    app.text_area(key="learn article").set_value("One line.\n" + "Another one. " * 150).run()
    assert app.query_params["review"] == "What a waste."
    assert len(app.query_params["article_digest"]) == 40
    again = opened(**dict(app.query_params))
    for ours, theirs in zip(again.dataframe, app.dataframe, strict=True):
        assert ours.value.equals(theirs.value)
    gone = opened(section="uses", article_digest="f" * 40)
    assert "not kept on this machine" in gone.warning[0].value.replace("\\", "")


def test_the_step_and_the_text_are_where_they_were_after_another_page(tmp_path, monkeypatch):
    from streamlit.testing.v1 import AppTest

    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = AppTest.from_function(both, default_timeout=60)
    app.session_state["on learn"] = True
    app.query_params["step"] = "mask"
    app.run()
    app.text_input(key="learn text").set_value("a dog saw me").run()
    app.session_state["on learn"] = False
    app.query_params.clear()
    app.run()
    app.session_state["on learn"] = True
    app.query_params.clear()
    app.run()
    assert not app.exception
    assert heading(app) == "5. Mask"
    assert (app.query_params["step"], app.query_params["text"]) == ("mask", "a dog saw me")
    app.query_params.clear()
    app.run()
    assert heading(app).startswith("1. "), "Back to an address without a step opens the first"


def test_all_that_a_link_asks_for_in_vain_is_said_in_one_box():
    query = {
        "section": "nothing",
        "step": "nowhere",
        "temperature": "warm",
        "heads": "-2",
        "head": "7",
    }
    app = opened(**query)
    assert len(app.warning) == 1
    said = app.warning[0].value.replace("\\", "")
    for name in query:
        assert f"The link's {name} " in said
    assert len(said.splitlines()) == len(query)


def test_what_breaks_nothing_is_said(tmp_path):
    app = opened(source="numbers", broken="masked,scaled")
    assert "broken 'masked' breaks nothing here" in app.warning[0].value.replace("\\", "")


def test_under_a_refused_text_it_is_said_which_text_is_shown():
    long = "word " * 300
    app = opened(text=long)
    assert "What you see below is the sample: “the cat sat on the mat”" in app.error[
        0
    ].value.replace("\\", "")
    app.text_input(key="learn text").set_value("a dog ran").run()
    assert not app.error
    app.text_input(key="learn text").set_value(long).run()
    assert "What you see below is from before: “a dog ran”." in app.error[0].value.replace("\\", "")
    app.run()
    assert "“a dog ran”" in app.error[0].value


def test_an_unknown_parameter_is_named_until_the_address_changes():
    app = opened(stpe="mask")
    assert "'stpe' is not known here, so it is left out. Did you mean 'step'?" in (
        app.warning[0].value.replace("\\", "")
    )
    press(app, "Next")
    assert not app.warning
    assert "stpe" not in app.query_params
