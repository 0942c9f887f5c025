"""Models along which heads are followed on the Compare page, from real folders."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from components.compare_state import CompareView, SideView
from components.panels.compare.many_models_panel import REFUSED
from components.panels.compare.many_models_runs import (
    FAILED,
    asked,
)
from tests.models.folders import save_decoder

TEXT = "the cat sat on the mat"
TUNED = "\n".join(f"tuned/step-{step}" for step in (0, 20, 100))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for seed, step in enumerate((0, 20, 100)):
        save_decoder(root / f"tuned/step-{step}", layers=2, heads=2, seed=seed)
    save_decoder(root / "wide", layers=2, heads=3)
    return root


@pytest.fixture(autouse=True)
def allowed(root, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(root))


def page():
    import streamlit as st

    from components.panels.compare.checkpoint_steps import checkpoints_panel
    from components.panels.compare.run_both_sides import both

    runs = both(st.empty())
    assert runs is not None
    checkpoints_panel(runs)


def shown(models="", **choices):
    side = SideView(model="tuned/step-20", local=True, text=TEXT)
    at = AppTest.from_function(page, default_timeout=120)
    at.session_state["compare view"] = CompareView(
        first=side, second=side, part="steps", along="models", models=models, **choices
    )
    return at.run()


def charts(at):
    assert not at.exception
    return at.get("plotly_chart")


def pressed(at, key):
    return at.button(key=key).click().run()


def said(boxes):
    return "".join(box.value for box in boxes).replace("\\", "")


def test_each_model_stands_on_the_slider_and_the_link_chooses_one():
    at = shown(TUNED, step=1)
    assert charts(at)
    assert at.select_slider[0].options == ["step-20", "step-100"]
    assert at.select_slider[0].value == 1
    at.select_slider[0].set_value(2).run()
    assert at.session_state["compare view"].step == 2


def test_two_models_need_no_slider():
    at = shown("tuned/step-0\ntuned/step-100")
    assert charts(at)
    assert not at.select_slider


def test_what_cannot_be_run_or_compared_is_named_and_the_others_are_drawn():
    at = shown(f"{TUNED}\nwide\nnowhere/at/all", step=3)
    assert "at/all cannot be run" not in said(at.warning)
    assert "all cannot be run: There is no folder nowhere/at/all" in said(at.warning)
    assert "wide (second side) cannot be compared with step-0 (first side)" in said(at.warning)
    assert "2 layers of 2 heads" in said(at.warning)
    assert charts(at)
    assert at.select_slider[0].options == ["step-20", "step-100"]
    assert at.select_slider[0].value == 2, "what cannot be drawn is not chosen"


def test_what_could_not_be_run_is_tried_again_by_run_alone():
    at = shown("tuned/step-0\ntuned/step-100\nnowhere/at/all")
    first = next(iter(at.session_state[FAILED].values()))
    at.run()
    assert next(iter(at.session_state[FAILED].values())) is first
    pressed(at, "compare models run")
    assert next(iter(at.session_state[FAILED].values())) is not first


def test_without_a_base_nothing_is_drawn_and_that_is_said():
    at = shown("nowhere/at/all\ntuned/step-0")
    assert "The base nowhere/at/all cannot be run: There is no folder" in said(at.error)
    assert not charts(at)


def test_a_list_that_cannot_be_meant_is_refused_and_what_was_drawn_stays():
    at = shown(TUNED)
    at.text_area[0].set_value("tuned/step-0\nowner/name@").run()
    pressed(at, "compare models run")
    assert REFUSED in at.session_state
    assert "names no revision after its @" in said(at.error)
    assert charts(at)
    assert at.session_state["compare view"].models == TUNED
    at.text_area[0].set_value("tuned/step-0\ntuned/step-20").run()
    pressed(at, "compare models run")
    assert not at.error
    assert at.session_state["compare view"].models == "tuned/step-0\ntuned/step-20"


def test_a_link_with_a_list_that_cannot_be_meant_says_so():
    at = shown("tuned/step-0")
    assert "The list has tuned/step-0 alone." in said(at.error)
    assert not charts(at)


def test_both_sides_models_are_offered_and_the_folders_beside_the_first():
    at = shown()
    assert at.text_area[0].value == "tuned/step-20"
    assert not charts(at)
    pressed(at, "compare models beside")
    assert at.session_state["compare view"].models == TUNED
    assert charts(at)


def test_what_was_run_before_cancel_is_drawn_and_run_goes_on():
    at = shown("tuned/step-0\ntuned/step-20")
    seen = at.session_state["compare view"]
    # Two models of the longer list have been run, two have not.
    more = CompareView(
        first=seen.first, second=seen.second, part="steps", along="models", models=TUNED + "\nwide"
    )
    at.session_state["compare view"] = more
    at.session_state["compare models stopped"] = asked(more)
    at.run()
    assert "Stopped with 2 of 4 models to go; Run goes on." in said(at.caption)
    assert charts(at)
    assert not at.select_slider
    pressed(at, "compare models run")
    assert "to go" not in said(at.caption)
    assert "wide (second side)" in said(at.warning)


def test_two_of_the_list_become_the_sides():
    at = shown(TUNED, step=2)
    pressed(at, "compare models above")
    seen = at.session_state["compare view"]
    assert [side.model for side in seen.sides] == ["tuned/step-0", "tuned/step-100"]
    assert all(side.local and side.text == TEXT for side in seen.sides)
    assert "compare models failure" not in at.session_state
