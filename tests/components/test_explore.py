"""The page's logic, without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

import viz
from components.canvas.attention_map import HTML
from components.explore_session import workbench
from tests.models.folders import save_small

MAIN = Path(__file__).parents[2] / "components" / "main.py"


@pytest.fixture
def explore(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_small(tmp_path / "models" / "small")
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.query_params["model"] = "small"
    app.query_params["local"] = "1"
    app.query_params["text"] = "the cat sat on the mat"
    app.run()
    assert not app.exception
    return app


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def headings(app):
    return [heading.value for heading in app.subheader]


def test_a_link_opens_analysed(explore):
    assert "Layer 0, head 0" in headings(explore)
    assert not explore.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   ", "only spaces"),
        ("a\x00b", "null byte"),
        ("the cat " * 200, "tokens"),
        ("x" * 1_000_001, "1,000,001 characters"),
    ],
)
def test_a_bad_text_is_one_sentence_and_the_earlier_result_stays(explore, text, words):
    explore.text_area(key="text").set_value(text)
    press(explore, "Run")
    assert len(explore.error) == 1
    assert words in explore.error[0].value.replace("\\", "")
    assert "Layer 0, head 0" in headings(explore)


def test_a_second_text_of_spaces_is_none(explore):
    explore.text_area(key="pair").set_value("  \n")
    press(explore, "Run")
    assert not explore.error
    assert len(explore.text_area(key="pair").value) == 3


def test_a_picture_for_a_model_of_texts_is_said_and_the_text_runs_alone(explore, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    app = opened(explore, media=workbench().media.put((tmp_path / "a.png").read_bytes(), ".png"))
    assert "reads texts, not images" in app.error[0].value
    press(app, "Run")
    assert not app.error
    assert "Layer 0, head 0" in headings(app)


def test_a_link_to_a_model_of_pictures_asks_for_one(explore, tmp_path):
    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=32)
    ViTModel(config).save_pretrained(tmp_path / "models" / "seeing")
    app = opened(explore, model="seeing")
    assert "reads images, and none is given" in app.error[0].value
    assert not app.text_area


def opened(explore, **changed):
    """Open the same link in another session, with some of it changed."""
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.query_params = {**explore.query_params, **changed}
    return app.run()


def test_a_text_over_the_limit_can_be_cut(explore):
    explore.text_area(key="text").set_value("the cat " * 200)
    press(explore, "Run")
    press(explore, "Cut the text to 128 tokens and run")
    assert not explore.error
    assert len(explore.text_area(key="text").value) < 1600


@pytest.mark.parametrize(
    ("choice", "name", "words"),
    [
        ("folder", "../../etc", "outside the folders"),
        ("folder", "missing", "no folder missing"),
        ("hugging face", "nobody/nothing", "cannot be reached"),
        ("hugging face", "<script>alert(1)</script>", "Hugging Face id"),
    ],
)
def test_a_model_that_cannot_be_had_leaves_the_earlier_result(explore, choice, name, words):
    explore.selectbox(key="model").set_value(choice).run()
    explore.text_input(key="other").set_value(name)
    press(explore, "Run")
    assert len(explore.error) == 1
    assert words in explore.error[0].value.replace("\\", "")
    assert "Layer 0, head 0" in headings(explore)


def test_every_option_is_explained(explore):
    options = [*explore.selectbox, *explore.toggle, *explore.number_input, *explore.slider]
    assert len(options) > 10
    assert not [one.label for one in options if not one.help]


def test_every_option_of_the_map_is_explained():
    labels = re.findall(r"<label([^>]*)>", HTML)
    assert len(labels) == 2
    assert all('title="' in label for label in labels)
    assert "pool" not in HTML


def test_beside_an_error_nothing_is_said_to_be_empty(explore):
    app = opened(explore, model="nobody/nothing", local="0")
    assert len(app.error) == 1
    assert "smollm2" in app.error[0].value
    assert not app.info


def test_a_defect_of_ours_is_logged_and_said(explore, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("viz.service.background_statistics.survey_layer", broken)
    explore.text_area(key="text").set_value("the dog did not")
    press(explore, "Run")
    assert "defect in Attention Loupe" in explore.error[0].value
    assert any(record.exc_info for record in caplog.records)
    assert "Layer 0, head 0" in headings(explore)


def test_an_impossible_link_is_said_and_shown_as_usual(explore):
    explore.query_params["layer"] = "99"
    explore.query_params["scale"] = "rainbow"
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in explore.query_params.items():
        app.query_params[name] = value
    app.run()
    assert len(app.warning) == 1, "one box for one link"
    said = app.warning[0].value.replace("\\", "")
    assert "rainbow" in said
    assert "layer 99 is not valid: this model has layers 0 to 2" in said
    assert "Layer 2, head 0" in headings(app)


def test_everything_of_a_link_that_is_not_valid_is_said_in_one_box(explore):
    bad = {
        **{"scale": "rainbow", "top_k": "many", "threshold": "7", "palette": "rust"},
        **{"statistic": "colour", "sort": "mood", "keep": "layer:9..1", "direction": "up"},
        **{"also": "0.1,99.99", "stack": "cross", "rows": "0-999999999", "columns": "5-2"},
        **{"layer": "99", "head": "98", "token": "97", "words": "perhaps", "descending": "2"},
    }
    app = opened(explore, **bad)
    assert len(app.warning) == 1
    said = app.warning[0].value.replace("\\", "")
    for name, value in bad.items():
        assert (
            f"The link's {name} {value!r} " in said
            or f"The link's {name} {value} " in said
            or (name == "also" and "The link's also '99.99' " in said)
        ), name
    assert len(said.splitlines()) == len(bad)
    assert "99" not in str(app.query_params)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("layer", "layer 99 is not valid: this model has layers 0 to 2, so 2 is shown"),
        ("head", "head 99 is not valid: layer 0 has heads 0 to 3, so 3 is shown"),
        ("token", "token 99 is not valid: this input has tokens 0 to 7, so none is pinned"),
        ("stack", "stack '99' is not valid: this model has stack 'self', so 'self' is shown"),
    ],
)
def test_a_selection_of_a_link_that_is_not_there_is_said_until_something_else_runs(
    explore, name, words
):
    app = opened(explore, **{name: "99"})
    assert [warning.value.replace("\\", "") for warning in app.warning] == [f"The link's {words}."]
    assert "99" not in str(app.query_params)
    app.run()
    assert len(app.warning) == 1
    app.text_area(key="text").set_value("the dog did not")
    press(app, "Run")
    assert not app.warning


def test_a_selection_that_another_model_does_not_have_moves_in_silence(explore, tmp_path):
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    folder = tmp_path / "models" / "smaller"
    save_small(folder)
    BertModel(config).save_pretrained(folder)
    app = opened(explore, layer="2", head="3")
    assert "Layer 2, head 3" in headings(app)
    app.text_input(key="other").set_value("smaller")
    press(app, "Run")
    assert "Layer 0, head 1" in headings(app)
    assert not app.warning


def test_display_choices_change_the_picture_and_the_link(explore):
    explore.text_area(key="text").set_value("catdog sat")
    press(explore, "Run")
    explore.toggle(key="display words").set_value(True).run()
    assert not explore.exception
    assert "words" in explore.query_params
    assert any("sub-words" in caption.value.replace("\\", "") for caption in explore.caption)


def test_the_page_and_the_api_agree(explore):
    model = viz.load_model(str(Path(viz.models.folders.cache_folder()) / "models" / "small"))
    trace = viz.capture(model, "the cat sat on the mat")
    entropy = viz.patterns.statistics(trace.stacks["self"]).entropy_nats[0, 0]
    assert any(f"{entropy:.3g}" in text.value for text in explore.markdown)


@pytest.mark.parametrize("picked", ["hugging face", "folder"])
def test_the_address_of_a_models_page_becomes_its_id_and_revision(explore, picked):
    explore.selectbox(key="model").set_value(picked).run()
    explore.text_input(key="other").set_value("https://hf.co/owner/name/tree/v2/").run()
    assert not explore.exception
    assert explore.selectbox(key="model").value == "hugging face"
    assert explore.text_input(key="other").value == "owner/name"
    assert explore.text_input(key="revision").value == "v2"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "stack",
            "cross",
            "stack 'cross' is not valid: this model has stack 'self', so 'self' is shown",
        ),
        (
            "also",
            "0.1,9.9",
            "also '9.9' is not valid: layers go from 0 to 2, heads from 0 to 3, so 0.1 is shown",
        ),
        (
            "also",
            "9.9",
            "also '9.9' is not valid: layers go from 0 to 2, heads from 0 to 3, so none is shown",
        ),
        (
            "rows",
            "0-999999999",
            "rows '0-999999999' is not valid: up to 264 are drawn at once, so all of it is shown",
        ),
        (
            "rows",
            "50-60",
            "rows '50-60' is not valid: this input has tokens 0 to 7, so all of it is shown",
        ),
        (
            "columns",
            "5-5",
            "columns '5-5' is not valid: it ends where it begins, or before, so all of it is shown",
        ),
    ],
)
def test_a_part_of_a_link_that_is_not_there_is_said_with_what_is_shown(explore, name, value, words):
    app = opened(explore, **{name: value})
    assert [warning.value.replace("\\", "") for warning in app.warning] == [f"The link's {words}."]
    assert value not in str(app.query_params)


def test_a_span_of_a_long_text_ends_with_the_text(explore):
    text = "the cat sat on the mat " * 55
    query = {"model": "minilm", "local": "0", "text": text, "rows": "0-999999999"}
    app = opened(explore, **query, columns="20-40")
    (said,) = [warning.value.replace("\\", "") for warning in app.warning]
    count = len(viz.capture(viz.load_model("minilm"), text).units)
    assert count > 264
    assert said.endswith(f"this input has tokens 0 to {count - 1}, so 0-{count} is shown.")
    assert app.query_params["columns"] == "20-40"


CHINESE = "人工智能正在改变我们的生活方式，每天都有新的发现。"


def test_a_text_that_a_model_cannot_read_is_said_and_one_that_can_is_run():
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["text"] = CHINESE
    app.run()
    said = app.warning[0].value.replace("\\", "")
    assert "tokens are [UNK]: all-MiniLM-L6-v2 has none for what stands there" in said
    (switch,) = [button for button in app.button if button.label.startswith("Run it on ")]
    switch.click().run()
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="model").value in ("smollm2", "loupe")
    assert app.query_params["model"] == app.selectbox(key="model").value
    assert app.text_area(key="text").value == CHINESE


def test_a_text_that_is_read_is_passed_over_in_silence(explore):
    assert not [button for button in explore.button if button.label.startswith("Run it on ")]
    assert not explore.warning


def test_a_page_loaded_anew_while_a_text_runs_has_that_text(explore, monkeypatch):
    text, seen = "the dog did not", []

    def interrupted(*_args, **_options):
        seen.append(st.query_params.to_dict())
        raise ZeroDivisionError

    monkeypatch.setattr("viz.service.request_pass.capture_prepared", interrupted)
    before = explore.query_params["text"]
    explore.text_area(key="text").set_value(text)
    press(explore, "Run")
    assert seen[0]["text"] == text
    # What is on screen after a failure is what was there before, and so is the link.
    assert explore.query_params["text"] == before
