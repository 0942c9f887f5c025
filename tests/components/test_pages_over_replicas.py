"""Pages show of models in replicas what they show of their own."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from components import explore_session
from tests.components.effects.page import MAIN, TEXT, heads_of
from tests.models.folders import save_decoder
from tests.service.ray.near_connection import NearConnection
from viz.service.ray import ray_workbench
from viz.service.ray.ray_workbench import RayWorkbench


@pytest.fixture
def line(tmp_path, monkeypatch):
    """Replicas that hold all models of the pages."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    monkeypatch.setattr(ray_workbench, "KNOWN_SECONDS", 0.0)
    save_decoder(tmp_path / "models" / "foretells", layers=2, heads=2)
    line = NearConnection("first", "second")
    far = RayWorkbench(line)
    monkeypatch.setattr(explore_session, "shared_workbench", lambda: far)
    return line


def opened(**query) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.query_params = {"model": "foretells", "local": "1", "text": TEXT, **query}
    app.run()
    assert not app.exception
    return app


def test_a_page_shows_patterns_numbers_and_effects_of_a_replica(line):
    app = opened(open="effects")
    words = " ".join(one.value for one in [*app.caption, *app.markdown])
    assert "8 of 2,048 tokens" in words  # what the replica foresees, where the model is
    assert "Entropy" in words
    assert len(heads_of(app)) == 4
    assert not app.error
    assert line.carried


def test_a_page_whose_replica_ended_says_so_and_runs_again(line):
    app = opened()
    line.end("first")
    app.run()
    assert not app.exception
    assert "press Run to see it again" in app.info[0].value
    next(one for one in app.button if one.label == "Run").click().run()
    assert not app.exception
    assert not app.info
    assert line.asked[-1] == "second"
