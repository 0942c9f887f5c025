"""A page whose heads are still being drawn shows those that are."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components.explore_session import workbench
from components.panels import run_input as run
from tests.models.folders import save_small
from viz.service import Request
from viz.service import background_statistics as drawing

MAIN = Path(__file__).parents[2] / "components" / "main.py"
ASKED = {"model": "small", "local": "1", "text": "the cat sat on the mat", "layer": "2"}


@pytest.fixture
def going(tmp_path, monkeypatch):
    """Lets so many layers be drawn; the first one is."""
    go = threading.Semaphore(1)
    plain = drawing.survey_layer

    def one(stack, layer, **options):
        while not go.acquire(timeout=0.01):
            options["going"]()
        return plain(stack, layer, **options)

    monkeypatch.setattr(drawing, "survey_layer", one)
    monkeypatch.setattr(run, "PATIENCE", 0.0)
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_small(tmp_path / "models" / "small")
    return go


@pytest.fixture
def explore(going):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in ASKED.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    drawing_ = found(app)
    yield app
    drawing_.rest()


def found(app):
    request = Request("small", ASKED["text"], local=True)
    return workbench()._begun.get((app.session_state["owner"], request)).drawing


def layers_in_table(app):
    """Of which heads numbers are known."""
    table = app.dataframe[-1].value
    return sorted(set(table["layer"][table["entropy"].notna()]))


def said(app):
    return " ".join(one.value for one in app.markdown)


def test_the_layer_that_is_looked_at_is_drawn_first_and_the_others_follow(explore, going):
    assert layers_in_table(explore) == [2]
    assert "Entropy" in said(explore)
    drawing_ = found(explore)
    going.release(100)
    start = time.monotonic()
    while not drawing_.is_done:
        assert time.monotonic() - start < 20
        time.sleep(0.01)
    explore.run()
    assert layers_in_table(explore) == [0, 1, 2]
    assert "Stop drawing" not in [button.label for button in explore.button]


def test_a_head_whose_layer_is_not_drawn_yet_shows_its_pattern_and_says_so(explore):
    explore.session_state["view"] = run.replace(explore.session_state["view"], layer=1)
    explore.run()
    assert not explore.exception
    assert "Layer 1, head 0" in [heading.value for heading in explore.subheader]
    assert "Entropy" not in said(explore)
    assert any("as soon as its layer is drawn" in one.value for one in explore.caption)


def test_drawing_stops_and_goes_on(explore):
    drawing_ = found(explore)
    assert drawing_.is_going
    next(button for button in explore.button if button.label == "Stop drawing").click().run()
    assert not explore.exception
    start = time.monotonic()
    while drawing_.is_going:
        assert time.monotonic() - start < 20
        time.sleep(0.01)
    next(button for button in explore.button if button.label == "Draw the rest").click().run()
    assert drawing_.is_going
